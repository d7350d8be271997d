//! Lines that others wrote, with their source. None of these keys protects anything.

/// RFC 4568 §6.1, first example of an `inline:` key, put on a line.
pub(super) const RFC_6_1_FIRST: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 \
    inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4";
/// Its key and salt, decoded with Python's `base64` module.
pub(super) const RFC_6_1_FIRST_OCTETS: &str =
    "774466766726542b29784737406662356a552c5261417d5c7c7030252a23";

/// RFC 4568 §6.1, second example, an MKI and no lifetime, put on a line.
pub(super) const RFC_6_1_SECOND: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 \
    inline:YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2|1066:4";

/// RFC 4568 §4.5, the video and the audio line of the example.
pub(super) const RFC_4_5: [&str; 2] = [
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 \
     inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:32",
    "a=crypto:1 AES_CM_128_HMAC_SHA1_32 \
     inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj|2^20|1:32",
];

/// RFC 4568 §7.1.5, the offer.
pub(super) const RFC_7_1_5_OFFER: [&str; 2] = [
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 \
     inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4 FEC_ORDER=FEC_SRTP",
    "a=crypto:2 F8_128_HMAC_SHA1_80 \
     inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm|2^20|1:4\
     ;inline:QUJjZGVmMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5|2^20|2:4 FEC_ORDER=FEC_SRTP",
];

/// RFC 4568 §7.1.5, the answer.
pub(super) const RFC_7_1_5_ANSWER: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 \
    inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:4";

/// 3GPP TS 34.229-1 clause 12.12a.4 (V14.7.0), step 2, INVITE: no blank before `inline:`, none
/// after the MKI, and a closing quotation mark.
pub(super) const TS_34_229_1_INVITE: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80\
    inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4FEC_ORDER=FEC_SRTP\"";

/// 3GPP TS 34.229-1 clause 12.12a.4 (V14.7.0), step 4, 183 Session Progress.
pub(super) const TS_34_229_1_PROGRESS: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80\
    inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:4";

/// The offer of Deutsche Telekom's IMS, from haumacher/phoneblock,
/// `phoneblock-dongle/firmware/test/test_sip_parse.c`.
pub(super) const TELEKOM_OFFER: [&str; 2] = [
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:qdLu16UGSfeXENoHNrgwDG7onl1nuMyV6fSi+b/J\r\n",
    "a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:lWibhEBAiok3IZoRKNDJWN03QHuVqDNhPRxV3xUU\r\n",
];

/// sipwise/rtpengine, `t/auto-daemon-tests-sdes-manipulations.pl`, case "gh 661 suppress one".
pub(super) const RTPENGINE_OFFER: [&str; 4] = [
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:cJOJ7kxQjhFBp2fP6AYjs3vKw7CeBdWZCj0isbJv",
    "a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:VAzLKvoE3jG9cdH/AZsl/ZqWNXrUzyM4Gw6chrFr",
    "a=crypto:3 AES_256_CM_HMAC_SHA1_80 \
     inline:8AbZePWwsKhLGX3GlXA+yHYPQ3cgraer/9DkFJYCOPZZy3o9wC0NIbIFYZfyHw==",
    "a=crypto:4 AES_256_CM_HMAC_SHA1_32 \
     inline:2GLk3p/csdno4KlGO1TxCVaEt+bifmDlQ5NjnCb5cJYPURiGRSTBEtEq37db8g==",
];
/// The key and salt of its third line, decoded with Python's `base64` module.
pub(super) const RTPENGINE_THIRD_OCTETS: &str =
    "f006d978f5b0b0a84b197dc695703ec8760f437720ada7abffd0e414960238f659cb7a3dc02d0d21b2056197f21f";

/// pjsip/pjproject, `tests/pjsua/scripts-sendto`: a suite in lower case, under RTP/AVP.
pub(super) const PJSUA_LOWER_CASE: &str =
    "a=crypto:1 aes_cm_128_hmac_sha1_80 inline:WnD7c1ksDGs+dIefCEo8omPg4uO8DYIinNGL5yxQ";

/// pjsip/pjproject, `tests/pjsua/scripts-sendto`: a tag twice, to be answered with 406.
pub(super) const PJSUA_DUPLICATE_TAG: [&str; 2] = [
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WnD7c1ksDGs+dIefCEo8omPg4uO8DYIinNGL5yxQ",
    "a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:t0r0/apkukU7JjjfR0mY8GEimBq4OiPEm9eKSFOx",
];

/// reSIProcate, SDP parser test: MKIs of 18 and 4 octets on one line.
pub(super) const RESIP_MKI_LENGTHS: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 \
    inline:QUJjZGVmMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5|2:18\
    ;inline:QUJjZGVmMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5|21|3:4 \
    KDR=23 FEC_ORDER=SRTP_FEC UNENCRYPTED_SRTP";

/// reSIProcate, SDP parser test: the main key again as `FEC_KEY`, and a window hint below 64.
pub(super) const RESIP_FEC_KEY: &str = "a=crypto:2 AES_CM_128_HMAC_SHA1_32 \
    inline:QUJjZGVmMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5|2^20 \
    FEC_KEY=inline:QUJjZGVmMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5|2^20|2:4 WSH=60";

/// draft-davis-mmusic-srtp-assurance, GCM lines of its examples.
pub(super) const DAVIS_GCM: [&str; 2] = [
    "a=crypto:2 AEAD_AES_256_GCM inline:HGAPy4Cedy/qumbZvpuCZSVT7rNDk8vG4TdUXp5hkyWqJCqiLRGab0KJy1g=",
    "a=crypto:1 AEAD_AES_128_GCM inline:bQJXGzEPXJPClrd78xwALdaZDs/dLttBLfLE5Q==",
];

/// Keys of 30 octets in base64, all different.
pub(super) const KEY_A: &str = "WnD7c1ksDGs+dIefCEo8omPg4uO8DYIinNGL5yxQ";
pub(super) const KEY_B: &str = "t0r0/apkukU7JjjfR0mY8GEimBq4OiPEm9eKSFOx";
pub(super) const KEY_C: &str = "cJOJ7kxQjhFBp2fP6AYjs3vKw7CeBdWZCj0isbJv";
