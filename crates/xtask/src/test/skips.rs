//! Tests that missed a peer and said so.

/// One such test.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Skip {
    /// What it missed.
    pub(super) peer: String,
    /// Which test.
    pub(super) test: String,
}

/// Reads lines of `peer<TAB>test`, each test once with the first peer it missed.
pub(super) fn read(text: &str) -> Vec<Skip> {
    let mut skips: Vec<Skip> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (peer, test) = line.split_once('\t').unwrap_or((line, "a test without a name"));
        if test == "a test without a name" || skips.iter().all(|skip| skip.test != test) {
            skips.push(Skip { peer: peer.to_owned(), test: test.to_owned() });
        }
    }
    skips
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_test_counts_once_however_many_peers_it_missed() {
        let skips = read("ffmpeg\ta_call\nsox\ta_call\n\nffmpeg\tanother\nbare\n");

        let named: Vec<_> =
            skips.iter().map(|skip| (skip.peer.as_str(), skip.test.as_str())).collect();

        assert_eq!(
            named,
            [("ffmpeg", "a_call"), ("ffmpeg", "another"), ("bare", "a test without a name")]
        );
    }
}
