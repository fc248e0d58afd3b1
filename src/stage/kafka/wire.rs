//! How Kafka's protocol writes its values: read one by one, and copied to what goes on instead.

use std::fmt;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Garbled;

impl fmt::Display for Garbled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is not laid out as its version says")
    }
}

/// Reads values, and copies what it read to `out` unless told to write something else.
pub struct Copier<'b> {
    rest: &'b [u8],
    /// Whether lengths are variable and structures end with tagged fields.
    flexible: bool,
    /// What was read, or written instead of it.
    pub out: Vec<u8>,
}

impl<'b> Copier<'b> {
    /// Reads from the beginning.
    pub fn new(bytes: &'b [u8], flexible: bool) -> Copier<'b> {
        Copier { rest: bytes, flexible, out: Vec::with_capacity(bytes.len() + 64) }
    }

    fn take(&mut self, n: usize) -> Result<&'b [u8], Garbled> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(Garbled)?;
        self.rest = rest;
        Ok(taken)
    }

    fn skip(&mut self, n: usize) -> Result<&'b [u8], Garbled> {
        let taken = self.take(n)?;
        self.out.extend(taken);
        Ok(taken)
    }

    /// So many bytes, as they are.
    pub fn bytes(&mut self, n: usize) -> Result<(), Garbled> {
        self.skip(n).map(drop)
    }

    /// A whole number of 8 bits.
    pub fn i8(&mut self) -> Result<i8, Garbled> {
        self.skip(1).map(|b| b[0] as i8)
    }

    /// A whole number of 16 bits.
    pub fn i16(&mut self) -> Result<i16, Garbled> {
        Ok(i16::from_be_bytes(self.skip(2)?.try_into().map_err(|_| Garbled)?))
    }

    /// A whole number of 32 bits.
    pub fn i32(&mut self) -> Result<i32, Garbled> {
        Ok(i32::from_be_bytes(self.skip(4)?.try_into().map_err(|_| Garbled)?))
    }

    /// A variable length, which is not copied.
    fn length(&mut self) -> Result<u32, Garbled> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(value).map_err(|_| Garbled);
            }
        }
        Err(Garbled)
    }

    fn put_length(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    /// The length of a text; nothing where there is none. It is not copied.
    fn text_length(&mut self) -> Result<Option<usize>, Garbled> {
        if self.flexible {
            return Ok(self.length()?.checked_sub(1).map(|n| n as usize));
        }
        match i16::from_be_bytes(self.take(2)?.try_into().map_err(|_| Garbled)?) {
            -1 => Ok(None),
            n => usize::try_from(n).map(Some).map_err(|_| Garbled),
        }
    }

    fn put_text(&mut self, text: Option<&[u8]>) {
        match (self.flexible, text) {
            (true, None) => self.put_length(0),
            (true, Some(text)) => self.put_length(text.len() as u32 + 1),
            (false, None) => self.out.extend((-1_i16).to_be_bytes()),
            (false, Some(text)) => self.out.extend((text.len() as i16).to_be_bytes()),
        }
        self.out.extend(text.unwrap_or_default());
    }

    fn taken_text(&mut self) -> Result<Option<&'b [u8]>, Garbled> {
        match self.text_length()? {
            Some(n) => self.take(n).map(Some),
            None => Ok(None),
        }
    }

    /// A text, if there is one.
    pub fn text(&mut self) -> Result<Option<&'b [u8]>, Garbled> {
        let text = self.taken_text()?;
        self.put_text(text);
        Ok(text)
    }

    /// How many of something follow; nothing where there is no list.
    pub fn list(&mut self) -> Result<Option<u32>, Garbled> {
        let n = self.taken_list()?;
        self.put_list(n);
        Ok(n)
    }

    /// How many of something follow, which is not copied: [`put_list`](Self::put_list) will say how many.
    pub fn taken_list(&mut self) -> Result<Option<u32>, Garbled> {
        if self.flexible {
            return Ok(self.length()?.checked_sub(1));
        }
        match i32::from_be_bytes(self.take(4)?.try_into().map_err(|_| Garbled)?) {
            -1 => Ok(None),
            n => u32::try_from(n).map(Some).map_err(|_| Garbled),
        }
    }

    /// Says how many of something follow.
    pub fn put_list(&mut self, n: Option<u32>) {
        match (self.flexible, n) {
            (true, n) => self.put_length(n.map_or(0, |n| n + 1)),
            (false, None) => self.out.extend((-1_i32).to_be_bytes()),
            (false, Some(n)) => self.out.extend((n as i32).to_be_bytes()),
        }
    }

    /// A list of whole numbers of 32 bits.
    pub fn numbers(&mut self) -> Result<(), Garbled> {
        let n = self.list()?.unwrap_or(0) as usize;
        self.bytes(n.checked_mul(4).ok_or(Garbled)?)
    }

    /// Tagged fields, where structures end with them.
    pub fn tags(&mut self) -> Result<(), Garbled> {
        self.tags_but(|_, _| None)
    }

    /// As [`tags`](Self::tags); where `change` knows a field by its number it says what stands there instead.
    pub fn tags_but(&mut self, mut change: impl FnMut(u32, &[u8]) -> Option<Vec<u8>>) -> Result<(), Garbled> {
        if !self.flexible {
            return Ok(());
        }
        let n = self.length()?;
        self.put_length(n);
        for _ in 0..n {
            let (tag, size) = (self.length()?, self.length()?);
            let value = self.take(size as usize)?;
            let changed = change(tag, value);
            let value = changed.as_deref().unwrap_or(value);
            self.put_length(tag);
            self.put_length(value.len() as u32);
            self.out.extend(value);
        }
        Ok(())
    }

    /// A host and a port, which become what `place` says.
    pub fn place<E: From<Garbled>>(
        &mut self,
        place: impl FnOnce(&str, u16) -> Result<(String, u16), E>,
    ) -> Result<(), E> {
        let host = self.taken_text()?;
        let port = i32::from_be_bytes(self.take(4)?.try_into().map_err(|_| Garbled)?);
        // Where there is no broker, there is no place either.
        let known = host.and_then(|host| std::str::from_utf8(host).ok()).filter(|host| !host.is_empty());
        match known.zip(u16::try_from(port).ok().filter(|port| *port > 0)) {
            Some((host, port)) => {
                let (host, port) = place(host, port)?;
                self.put_text(Some(host.as_bytes()));
                self.out.extend(i32::from(port).to_be_bytes());
            }
            None => {
                self.put_text(host);
                self.out.extend(port.to_be_bytes());
            }
        }
        Ok(())
    }

    /// All that is left, as it is.
    pub fn rest(&mut self) {
        self.out.extend(self.rest);
        self.rest = &[];
    }

    /// Whether nothing is left.
    pub fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// Forgets what was copied after so many bytes.
    pub fn rewind(&mut self, to: usize) {
        self.out.truncate(to);
    }
}
