//! `rtpp-flags`: what a script wrote, as one string that the gateway takes apart.

/// Takes a string of flags apart: words by white space, `key=[a b]` as `key=a` and `key=b`, and
/// `key=[x=a y=b]` as `key-x=a`. Brackets that do not close end with the string.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|letter: char| letter.is_whitespace() || letter == '[');
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = match after.strip_prefix('[') {
            Some(list) => {
                let (list, after) = list.split_once(']').unwrap_or((list, ""));
                let key = word.strip_suffix('=').unwrap_or(word);
                words.extend(list.split_whitespace().map(|one| member(key, one)));
                after.trim_start()
            }
            None => {
                words.push(word.to_owned());
                after.trim_start()
            }
        };
    }
    words
}

fn member(key: &str, one: &str) -> String {
    if one.contains('=') { format!("{key}-{one}") } else { format!("{key}={one}") }
}
