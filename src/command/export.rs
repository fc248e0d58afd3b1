//! `proofload export DIR --openmetrics`

use std::io::{BufWriter, Write, stdout};

use crate::cli::args::ExportArgs;
use crate::cli::print;
use crate::evidence::folder::Folder;
use crate::evidence::samples;
use crate::exit::Exit;

/// Writes the scraped samples of a run to standard output.
pub fn export(args: &ExportArgs) -> Exit {
    let folder = Folder::open(&args.folder);
    let samples = match samples::read(&folder.file("samples.chunks")) {
        Ok(samples) => samples,
        Err(why) => {
            print::err(&why.to_string());
            return Exit::Usage;
        }
    };
    if let Some(torn) = &samples.torn {
        print::err(&format!("samples.chunks: {torn}"));
    }
    let mut out = BufWriter::new(stdout().lock());
    match samples::export_openmetrics(&samples, &mut out).and_then(|()| out.flush()) {
        Ok(()) => Exit::PASS,
        Err(why) if why.kind() == std::io::ErrorKind::BrokenPipe => Exit::PASS,
        Err(why) => {
            print::err(&why.to_string());
            Exit::Usage
        }
    }
}
