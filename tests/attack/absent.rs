//! C11, C12: channels that the gateway does not have.

use agw_iq::FILE_DESCRIPTOR_SET;

use crate::row::Row;

/// Words of services that would be such channels.
const STANDBY: [&str; 4] = ["redis", "replica", "standby", "snapshot"];
const INTERCEPTION: [&str; 4] = ["intercept", "lawful", "warrant", "ReportStreamContent"];

#[test]
fn there_is_no_channel_to_a_standby_and_none_for_interception() {
    let api = String::from_utf8_lossy(FILE_DESCRIPTOR_SET).to_lowercase();
    for word in STANDBY.into_iter().chain(INTERCEPTION) {
        assert!(!api.contains(&word.to_lowercase()), "{word} is in the API: it must be attacked");
    }
    let no_channel = "there is no such channel";
    Row::new("C11", "the channel to a standby gateway").does_not_apply(no_channel);
    Row::new("C12", "abuse of interception").does_not_apply(no_channel);
}
