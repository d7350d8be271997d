//! WAV files: 44 octets of header, then 16-bit mono samples.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Octets of the `fmt ` chunk of plain PCM.
const FORMAT_OCTETS: u32 = 16;
const PCM: u16 = 1;
const MONO: u16 = 1;
const SAMPLE_OCTETS: u16 = 2;

/// Writes `samples` to a new file at `path`, over one that is there.
///
/// # Errors
/// Whatever the file system says, and [`io::ErrorKind::InvalidInput`] beyond 4 GiB.
pub(super) fn write_file(path: &Path, samples: &[i16], rate_hz: u32) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    write(&mut file, samples, rate_hz)?;
    file.flush()
}

fn write(to: &mut impl Write, samples: &[i16], rate_hz: u32) -> io::Result<()> {
    let too_long = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let data_octets =
        u32::try_from(samples.len() * usize::from(SAMPLE_OCTETS)).map_err(too_long)?;

    to.write_all(b"RIFF")?;
    to.write_all(&data_octets.saturating_add(36).to_le_bytes())?;
    to.write_all(b"WAVEfmt ")?;
    to.write_all(&FORMAT_OCTETS.to_le_bytes())?;
    to.write_all(&PCM.to_le_bytes())?;
    to.write_all(&MONO.to_le_bytes())?;
    to.write_all(&rate_hz.to_le_bytes())?;
    to.write_all(&(rate_hz * u32::from(SAMPLE_OCTETS)).to_le_bytes())?;
    to.write_all(&SAMPLE_OCTETS.to_le_bytes())?;
    to.write_all(&(8 * SAMPLE_OCTETS).to_le_bytes())?;
    to.write_all(b"data")?;
    to.write_all(&data_octets.to_le_bytes())?;
    for sample in samples {
        to.write_all(&sample.to_le_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_44_octets_and_counts_what_follows() {
        let mut file = Vec::new();
        write(&mut file, &[1, -2], 8_000).unwrap();

        // As `sox -n -r 8000 -b 16 -c 1` writes it for two samples.
        let expected = *b"RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\
                          \x02\0\x10\0data\x04\0\0\0\x01\0\xfe\xff";
        assert_eq!(file, expected);
    }
}
