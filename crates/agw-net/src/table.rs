//! Ports by token: an array, because the packet path looks up once per packet.

use std::io;

use crate::PortToken;

/// Tokens from here on are refused, so that a wild one cannot ask for gigabytes.
const TOKENS: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Table<T> {
    entries: Vec<Option<T>>,
}

impl<T> Table<T> {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Makes room for a token and lends its empty entry.
    pub(crate) fn vacant(&mut self, token: PortToken) -> io::Result<&mut Option<T>> {
        let position = position(token);
        if position >= TOKENS {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "port token of 2^20 or more"));
        }
        if self.entries.len() <= position {
            // In the same steps wherever it begins: a worker may begin with a high token.
            let room = (position + 1).next_power_of_two();
            self.entries.reserve_exact(room - self.entries.len());
            self.entries.resize_with(position + 1, || None);
        }
        match self.entries.get_mut(position) {
            Some(entry @ None) => Ok(entry),
            Some(Some(_)) | None => {
                Err(io::Error::new(io::ErrorKind::AlreadyExists, "port token in use"))
            }
        }
    }

    pub(crate) fn get_mut(&mut self, token: PortToken) -> Option<&mut T> {
        self.entries.get_mut(position(token))?.as_mut()
    }

    pub(crate) fn remove(&mut self, token: PortToken) -> io::Result<T> {
        let entry = self.entries.get_mut(position(token)).and_then(Option::take);
        entry.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "port token not in use"))
    }

    /// Entries in use, in order of their tokens.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PortToken, &T)> {
        (0..)
            .map(PortToken)
            .zip(&self.entries)
            .filter_map(|(token, entry)| entry.as_ref().map(|entry| (token, entry)))
    }
}

fn position(token: PortToken) -> usize {
    usize::try_from(token.0).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_once_and_free_again_after_removal() {
        let mut table = Table::new();
        *table.vacant(PortToken(7)).unwrap() = Some('a');

        assert_eq!(table.vacant(PortToken(7)).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(table.iter().collect::<Vec<_>>(), [(PortToken(7), &'a')]);
        assert_eq!(table.remove(PortToken(7)).unwrap(), 'a');
        assert_eq!(table.remove(PortToken(7)).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(table.vacant(PortToken(7)).is_ok());
    }

    #[test]
    fn a_wild_token_is_refused_before_memory_is_asked_for() {
        let mut table = Table::<u8>::new();
        for token in [1 << 20, u32::MAX] {
            let error = table.vacant(PortToken(token)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(table.get_mut(PortToken(token)).is_none());
        }
        assert_eq!(table.entries.capacity(), 0);
    }
}
