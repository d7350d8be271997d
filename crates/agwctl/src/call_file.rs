//! Files with a call or with crypto lines. What they hold is secret: no error repeats it.

use std::io::Read;
use std::path::Path;
use std::str::FromStr;
use std::{fs, io};

use clap::ValueEnum;
use toml::{Table, Value};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::spec::{CallSpec, CryptoLine, LegSpec};

/// Reads a file, or standard input if the path is `-`.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let read = if path == Path::new("-") {
        io::stdin().read_to_string(&mut text).map(drop)
    } else {
        fs::read_to_string(path).map(|whole| *text = whole)
    };
    read.map_err(|error| Failure::usage(path.display().to_string(), error.to_string()))?;
    Ok(text)
}

/// Reads a call in TOML.
///
/// # Errors
/// The place in the file and the rule that it breaks.
pub(crate) fn parse_call(name: &str, text: &str) -> Result<CallSpec, Failure> {
    let mut table: Table = text.parse().map_err(|error| syntax(name, text, &error))?;
    let mut fields = Fields { name, place: String::new(), table: &mut table };
    let spec = CallSpec {
        correlation: fields.string("correlation")?,
        priority: fields.word("priority")?,
        media: fields.word("media")?,
        mode: fields.word("mode")?,
        stream: fields.number("stream")?,
        heartbeat_ms: fields.number("heartbeat_ms")?,
        access: parse_leg(&mut fields, "access")?,
        core: parse_leg(&mut fields, "core")?,
    };
    fields.end()?;
    Ok(spec)
}

/// Reads crypto lines: `access ingress a=crypto:…`, one for each leg and direction.
///
/// # Errors
/// The line number and the rule that it breaks.
pub(crate) fn parse_crypto_lines(name: &str, text: &str) -> Result<CallSpec, Failure> {
    let mut spec = CallSpec::default();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let refuse = |rule: &str| Failure::usage(format!("{name}: line {}", number + 1), rule);
        let rule = "`access` or `core`, `ingress` or `egress`, then a=crypto:...";
        let (leg, rest) = line.split_once(char::is_whitespace).ok_or_else(|| refuse(rule))?;
        let (direction, line) =
            rest.trim_start().split_once(char::is_whitespace).ok_or_else(|| refuse(rule))?;
        let leg = match leg {
            "access" => &mut spec.access,
            "core" => &mut spec.core,
            _ => return Err(refuse(rule)),
        };
        let place = match direction {
            "ingress" => &mut leg.ingress_crypto,
            "egress" => &mut leg.egress_crypto,
            _ => return Err(refuse(rule)),
        };
        if place.replace(CryptoLine::new(line.trim().to_owned())).is_some() {
            return Err(refuse("this leg and direction has a line already"));
        }
    }
    Ok(spec)
}

fn parse_leg(call: &mut Fields<'_>, leg: &str) -> Result<LegSpec, Failure> {
    let mut table = match call.table.remove(leg) {
        None => return Ok(LegSpec::default()),
        Some(Value::Table(table)) => table,
        Some(_) => return Err(call.refuse(leg, "a table")),
    };
    let mut fields = Fields { name: call.name, place: format!("{leg}."), table: &mut table };
    let spec = LegSpec {
        realm: fields.string("realm")?,
        transport: fields.word("transport")?,
        remote: fields.parsed("remote")?,
        remote_rtcp: fields.parsed("remote_rtcp")?,
        rtcp: fields.word("rtcp")?,
        source: fields.word("source")?,
        source_filter: fields.parsed("source_filter")?,
        dscp: fields.parsed("dscp")?,
        ecn: fields.word("ecn")?,
        latch_once: fields.truth("latch_once")?,
        rtcp_gate: fields.word("rtcp_gate")?,
        bandwidth_kbps: fields.number("bandwidth_kbps")?,
        rewrite_sources: fields.parsed("rewrite_sources")?,
        ingress_crypto: fields.string("ingress_crypto")?.map(CryptoLine::new),
        egress_crypto: fields.string("egress_crypto")?.map(CryptoLine::new),
    };
    fields.end()?;
    Ok(spec)
}

/// Values that are taken out one by one, so that nothing is overlooked.
struct Fields<'a> {
    name: &'a str,
    place: String,
    table: &'a mut Table,
}

impl Fields<'_> {
    fn string(&mut self, key: &str) -> Result<Option<String>, Failure> {
        match self.table.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.refuse(key, "a string")),
        }
    }

    fn number(&mut self, key: &str) -> Result<Option<u32>, Failure> {
        match self.table.remove(key) {
            None => Ok(None),
            Some(Value::Integer(number)) => {
                let number = u32::try_from(number);
                number.map(Some).map_err(|_| self.refuse(key, "a number from 0"))
            }
            Some(_) => Err(self.refuse(key, "a number")),
        }
    }

    fn truth(&mut self, key: &str) -> Result<Option<bool>, Failure> {
        match self.table.remove(key) {
            None => Ok(None),
            Some(Value::Boolean(truth)) => Ok(Some(truth)),
            Some(_) => Err(self.refuse(key, "true or false")),
        }
    }

    fn word<T: ValueEnum>(&mut self, key: &str) -> Result<Option<T>, Failure> {
        let Some(text) = self.string(key)? else { return Ok(None) };
        T::from_str(&text, false).map(Some).map_err(|_| {
            let words: Vec<String> = T::value_variants()
                .iter()
                .filter_map(|word| Some(word.to_possible_value()?.get_name().to_owned()))
                .collect();
            self.refuse(key, &format!("one of {}", words.join(", ")))
        })
    }

    fn parsed<T: FromStr<Err = &'static str>>(&mut self, key: &str) -> Result<Option<T>, Failure> {
        let Some(text) = self.string(key)? else { return Ok(None) };
        text.parse().map(Some).map_err(|rule| self.refuse(key, rule))
    }

    /// Whatever is left has no place here.
    fn end(&self) -> Result<(), Failure> {
        match self.table.keys().next() {
            None => Ok(()),
            Some(key) => Err(self.refuse(key, "not a field of a call file")),
        }
    }

    fn refuse(&self, key: &str, rule: &str) -> Failure {
        Failure::usage(format!("{}: {}{key}", self.name, self.place), rule)
    }
}

/// The error's own text repeats the line, which may hold a key: only its place is told.
fn syntax(name: &str, text: &str, error: &toml::de::Error) -> Failure {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Failure::usage(format!("{name}: line {line}, column {column}"), "this is not TOML")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = "\
correlation = 'call-1'
priority = 'emergency'
mode = 'send_only'
stream = 3
[access]
remote = '192.0.2.1:4000'
rtcp = 'mux'
ingress_crypto = 'a=crypto:1 X inline:K11'
dscp = '46'
[core]
realm = 'inside'
ecn = 'copy'
transport = 'plain'
";

    fn refused(text: &str) -> String {
        parse_call("call.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn a_call_file_says_all_that_options_say() {
        let spec = parse_call("call.toml", CALL).unwrap();
        assert_eq!(spec.correlation.as_deref(), Some("call-1"));
        assert_eq!(spec.priority, Some(crate::spec::Precedence::Emergency));
        assert_eq!(spec.mode, Some(crate::spec::Mode::SendOnly));
        assert_eq!(spec.stream, Some(3));
        assert_eq!(spec.access.remote, "192.0.2.1:4000".parse().ok());
        assert_eq!(spec.access.rtcp, Some(crate::spec::Rtcp::Mux));
        assert!(spec.access.ingress_crypto.is_some() && spec.access.egress_crypto.is_none());
        assert_eq!(spec.access.dscp, Some(crate::spec::Dscp::Set(46)));
        assert_eq!(spec.core.realm.as_deref(), Some("inside"));
        assert_eq!(spec.core.ecn, Some(crate::spec::Ecn::Copy));
    }

    #[test]
    fn an_error_names_the_field_and_the_rule() {
        let table = [
            ("[access]\nrtcp = 'both'", "call.toml: access.rtcp: one of pair, mux, off"),
            ("stream = -1", "call.toml: stream: a number from 0"),
            ("[core]\nrelm = 'x'", "call.toml: core.relm: not a field of a call file"),
            ("access = 1", "call.toml: access: a table"),
            (
                "[core]\nremote = 'x'",
                "call.toml: core.remote: IP:PORT, as 192.0.2.1:4000 or [2001:db8::1]:4000",
            ),
            ("a = 1\nb 2", "call.toml: line 2, column 3: this is not TOML"),
        ];
        for (text, expected) in table {
            assert_eq!(refused(text), expected);
        }
    }

    #[test]
    fn no_error_repeats_what_may_be_a_key() {
        for text in [
            "access = 'inline:SECRET'",
            "[access]\ningress_crypto = inline:SECRET",
            "[access]\ningress_crypto = ['inline:SECRET']",
            "[access]\nrtcp = 'inline:SECRET'",
            "[access]\nremote = 'inline:SECRET'",
        ] {
            assert!(!refused(text).contains("SECRET"), "{}", refused(text));
        }
        let error = parse_crypto_lines("keys", "inline:SECRET").unwrap_err().to_string();
        assert!(!error.contains("SECRET"), "{error}");
    }

    #[test]
    fn crypto_lines_say_whose_they_are() {
        let text =
            "# K11\naccess ingress a=crypto:1 X inline:A\n\ncore  egress  a=crypto:1 X inline:B\n";
        let spec = parse_crypto_lines("keys", text).unwrap();
        assert!(spec.access.ingress_crypto.is_some() && spec.core.egress_crypto.is_some());
        assert!(spec.access.egress_crypto.is_none() && spec.core.ingress_crypto.is_none());

        let twice = "access ingress a\naccess ingress b";
        assert_eq!(
            parse_crypto_lines("keys", twice).unwrap_err().to_string(),
            "keys: line 2: this leg and direction has a line already"
        );
        assert!(parse_crypto_lines("keys", "access both a=crypto:1").is_err());
    }
}
