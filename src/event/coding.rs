//! Undoes the content coding of a body, should one ever come with one: Smile documents none.
//!
//! Only the typed view is made of the result. What is verified, kept and handed on are the bytes as they came.

use std::{
    borrow::Cow,
    io::{self, Read},
};

use flate2::read::{MultiGzDecoder, ZlibDecoder};

/// A body that grows beyond this is not undone: it was made to fill the memory.
const MOST_BYTES: u64 = 64 << 20;

/// The body without its coding; None if that is not known, or the body is not in it.
pub fn undone<'b>(body: &'b [u8], coding: &str) -> Option<Cow<'b, [u8]>> {
    match coding {
        "" | "identity" => Some(Cow::Borrowed(body)),
        "gzip" | "x-gzip" => inflated(MultiGzDecoder::new(body)).ok().map(Cow::Owned),
        "deflate" => inflated(ZlibDecoder::new(body)).ok().map(Cow::Owned),
        _ => None,
    }
}

fn inflated(coded: impl Read) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    coded.take(MOST_BYTES + 1).read_to_end(&mut plain)?;
    if plain.len() as u64 > MOST_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{GzEncoder, ZlibEncoder},
    };

    use super::*;

    #[test]
    fn undoes_what_is_known_and_leaves_the_rest() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(b"{}").unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(b"{}").unwrap();
        assert_eq!(undone(&gzip.finish().unwrap(), "gzip").unwrap(), &b"{}"[..]);
        assert_eq!(undone(&zlib.finish().unwrap(), "deflate").unwrap(), &b"{}"[..]);
        assert_eq!(undone(b"{}", "").unwrap(), &b"{}"[..]);
        assert_eq!(undone(b"{}", "gzip"), None);
        assert_eq!(undone(b"{}", "br"), None);
    }

    #[test]
    fn what_would_fill_the_memory_is_left_as_it_is() {
        let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
        for _ in 0..65 {
            bomb.write_all(&vec![0; 1 << 20]).unwrap();
        }
        assert_eq!(undone(&bomb.finish().unwrap(), "gzip"), None);
    }
}
