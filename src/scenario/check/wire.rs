//! How connections to the target are made and kept.

use std::net::IpAddr;

use super::super::Input;
use super::super::raw;
use super::super::shape::{At, Names};
use super::super::target::System;
use super::super::wire::{Identity, PrivateKey, Resolve, Reuse, Tls, Version, Wire};
use super::Check;
use crate::base::net;

/// Larger PEM files are refused.
const MAX_PEM: usize = 1 << 20;
/// What begins a certificate in a PEM file.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
/// What ends the first line of a private key in a PEM file, of whatever kind.
const PRIVATE_KEY: &str = "PRIVATE KEY-----";

impl Check<'_, '_> {
    /// Everything about connections but where names lead, which [`resolves`](Self::resolves) has told before.
    pub(super) fn wire(&mut self, map: &raw::TargetMap, system: &System, resolve: Vec<Resolve>) -> Wire {
        let addresses = match system {
            System::Services(services) => services.iter().flat_map(|s| &s.addresses).collect(),
            System::Sim { .. } => Vec::new(),
        };
        let tls = addresses.iter().any(|a| a.is_tls());
        if let Some(raw) = map.tls.as_ref().filter(|_| !tls && !self.reader.is_broken("target")) {
            self.reader.wrong(
                raw.place,
                "`tls` without TLS: no address is https://",
                "write https://HOST:PORT, or leave `tls` out",
            );
        }
        let http = match map.http.map(|h| h.value) {
            Some(raw::Version::Two) => Version::Two,
            Some(raw::Version::Auto) => Version::Auto,
            Some(raw::Version::One) | None => Version::One,
        };
        if let Some(at) = map.http.map(|h| h.at).filter(|_| map.sim.is_some() && http != Version::One) {
            self.reader.wrong(at, "a practice target speaks HTTP/1.1", "leave `http` out");
        } else if let Some(at) = map.http.map(|h| h.at).filter(|_| http == Version::Auto && !tls) {
            self.reader.wrong(at, "`auto` is asked within TLS, and no address is https://", "write 1.1 or 2");
        }
        if let Some(streams) = map.streams.filter(|_| http == Version::One) {
            self.reader.wrong(streams.at, "`streams` is about HTTP/2", "add `http: 2`, or leave it out");
        }
        for key in map.resolve.iter().flat_map(|r| &r.0).map(|(key, _)| key) {
            let Some((host, port)) = net::split_host(&key.value, 0).filter(|(_, port)| *port != 0) else { continue };
            if !addresses.iter().any(|a| a.is_at(&host, port)) {
                let remedy = "name the host and the port as the address does; https:// alone means 443";
                self.reader.wrong(key.at, format!("no address of the target is {}", key.value), remedy);
            }
        }
        Wire {
            tls: map.tls.as_ref().map(|raw| self.within("tls", |c| c.tls(raw))),
            http,
            streams: map.streams.and_then(|n| self.number(n, "streams", 10_000)),
            reuse: map.reuse.as_ref().map_or(Reuse::default(), |raw| self.reuse(raw)),
            resolve,
        }
    }

    pub(super) fn tls(&mut self, raw: &raw::Tls) -> Tls {
        let insecure = raw.insecure.is_some_and(|i| i.value);
        if let Some(ca) = raw.ca.as_ref().filter(|_| insecure) {
            self.reader.wrong(ca.at, "`ca` beside `insecure`: nothing would be held against it", "keep one of the two");
        }
        match (&raw.cert, &raw.key) {
            (Some(cert), None) => {
                self.reader.wrong(cert.at, "`cert` without `key`", "add `key:`, the file of its private key");
            }
            (None, Some(key)) => {
                self.reader.wrong(key.at, "`key` without `cert`", "add `cert:`, the file of its certificate")
            }
            _ => {}
        }
        let name = |c: char| c.is_ascii_alphanumeric() || "-.:".contains(c);
        if let Some(bad) = raw.name.as_ref().filter(|n| n.value.is_empty() || !n.value.chars().all(name)) {
            self.reader.wrong(
                bad.at,
                format!("`{}` is no host", bad.value),
                "write a name or an IP address without a port",
            );
        }
        let ca = raw.ca.as_ref().and_then(|file| self.certificates(file));
        let cert = raw.cert.as_ref().and_then(|file| self.certificates(file));
        let key = raw.key.as_ref().and_then(|file| self.private_key(file));
        Tls {
            ca,
            identity: cert.zip(key).map(|(cert, key)| Identity { cert, key }),
            insecure,
            name: raw.name.as_ref().map(|n| n.value.clone()),
        }
    }

    /// Reads a PEM file of certificates and keeps it as an input.
    pub(super) fn certificates(&mut self, file: &At<String>) -> Option<Vec<u8>> {
        let pem = self.pem(file)?;
        // What is kept with the evidence travels with it.
        if contains(&pem, PRIVATE_KEY) {
            let what = format!("`{}` holds a private key, and certificates are kept with the evidence", file.value);
            self.reader.wrong(file.at, what, "put the key into a file of its own, and name it as `key`");
            return None;
        }
        if !contains(&pem, CERTIFICATE) {
            let what = format!("`{}` holds no certificate", file.value);
            self.reader.wrong(file.at, what, format!("name a PEM file: it says {CERTIFICATE}"));
            return None;
        }
        if !self.inputs.iter().any(|i| i.name == file.value) {
            self.inputs.push(Input { name: file.value.clone(), bytes: pem.clone() });
        }
        Some(pem)
    }

    /// Reads a private key, and keeps it nowhere.
    fn private_key(&mut self, file: &At<String>) -> Option<PrivateKey> {
        if self.settings.past() {
            return Some(PrivateKey::new(Vec::new()));
        }
        let pem = self.pem(file)?;
        if !contains(&pem, PRIVATE_KEY) {
            let what = format!("`{}` holds no private key", file.value);
            self.reader.wrong(file.at, what, "name a PEM file: it says -----BEGIN PRIVATE KEY-----");
            return None;
        }
        if contains(&pem, "ENCRYPTED") {
            let what = format!("the private key in `{}` is encrypted, and nobody is there to be asked", file.value);
            self.reader.wrong(file.at, what, "decrypt it into a file that only you can read");
            return None;
        }
        Some(PrivateKey::new(pem))
    }

    fn pem(&mut self, file: &At<String>) -> Option<Vec<u8>> {
        match (self.settings.files)(&file.value) {
            Ok(bytes) if bytes.len() <= MAX_PEM => Some(bytes),
            Ok(bytes) => {
                let what = format!("`{}` is {} bytes long", file.value, bytes.len());
                self.reader.wrong(file.at, what, "1 MB of certificates is enough");
                None
            }
            Err(why) => {
                let what = format!("cannot read `{}`: {why}", file.value);
                self.reader.wrong(file.at, what, "name a PEM file, relative to the scenario");
                None
            }
        }
    }

    fn reuse(&mut self, raw: &raw::Reuse) -> Reuse {
        let limits = match raw {
            raw::Reuse::PerRequest => return Reuse { requests: Some(1), age: None },
            raw::Reuse::Limits(limits) => limits,
        };
        if limits.requests.is_none() && limits.age.is_none() && !self.reader.is_broken("target.reuse") {
            self.reader.wrong(limits.place, "`reuse` limits nothing", "write `requests: 100`, `age: 30s`, or both");
        }
        if let Some(age) = limits.age.filter(|a| a.value.is_zero()) {
            self.reader.wrong(age.at, "a connection of no age", "write a length above 0, or `reuse: per_request`");
        }
        Reuse {
            requests: limits.requests.and_then(|n| self.number(n, "requests", 1_000_000_000)),
            age: limits.age.map(|a| a.value),
        }
    }

    /// Where names lead. What is led elsewhere is never sent to, so that only the place it leads to needs leave.
    pub(super) fn resolves(&mut self, raw: Option<&Names<At<String>>>) -> Vec<Resolve> {
        let mut all: Vec<Resolve> = Vec::new();
        for (key, to) in raw.iter().flat_map(|r| &r.0) {
            let Some((host, port)) = net::split_host(&key.value, 0).filter(|(_, port)| *port != 0) else {
                self.reader.wrong(
                    key.at,
                    format!("`{}` is no HOST:PORT", key.value),
                    "write one, such as api.example:443",
                );
                continue;
            };
            let Ok(ip) = to.value.parse::<IpAddr>() else {
                let remedy = "write one without a port, such as 10.0.0.5: the port stays what it is";
                self.reader.wrong(to.at, format!("`{}` is no IP address", to.value), remedy);
                continue;
            };
            self.allowed(&to.value, to.at);
            if all.iter().any(|r| r.port == port && r.host.eq_ignore_ascii_case(&host)) {
                self.reader.wrong(key.at, format!("`{}` leads to two places", key.value), "keep one of the two");
            }
            all.push(Resolve { host, port, to: ip });
        }
        all
    }

    /// A whole number from 1 to `most`.
    pub(super) fn number(&mut self, n: At<u64>, what: &str, most: u32) -> Option<u32> {
        let fits = u32::try_from(n.value).ok().filter(|n| (1..=most).contains(n));
        if fits.is_none() {
            self.reader.wrong(n.at, format!("{what} are 1 to {most}"), "write a number between");
        }
        fits
    }
}

fn contains(pem: &[u8], words: &str) -> bool {
    pem.windows(words.len()).any(|window| window == words.as_bytes())
}
