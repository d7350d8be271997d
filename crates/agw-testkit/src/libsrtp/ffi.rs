//! The functions and structures of libsrtp 2.5 (`srtp2/srtp.h`), bound at run time.
//!
//! The only unsafe code of the crate. What leaves this module is safe: a [`Handle`] owns its
//! session, and packets are copied into a buffer of its own, aligned and with room for any trailer.

use std::ffi::{c_int, c_uint, c_ulong, c_void};
use std::ptr;
use std::sync::OnceLock;

use agw_srtp::Suite;
use libloading::Library;

use super::{LoadError, Refusal, SessionSpec, Sources};

const LIBRARY: &str = "libsrtp2.so.1";

/// Octets by which a packet can grow: `SRTP_MAX_TRAILER_LEN` (16 and 128), SRTCP index, alignment.
const TRAILER: usize = 16 + 128 + 4 + 8;

/// `srtp_sec_serv_t`: `sec_serv_auth`.
const AUTHENTICATION_ONLY: c_uint = 2;

/// `srtp_crypto_policy_t`: six words; the library's own functions fill it.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CryptoPolicy {
    cipher_type: u32,
    cipher_key_len: c_int,
    auth_type: u32,
    auth_key_len: c_int,
    auth_tag_len: c_int,
    sec_serv: c_uint,
}

/// `srtp_ssrc_t`: a kind (`ssrc_specific` 1, `ssrc_any_inbound` 2, `ssrc_any_outbound` 3) and,
/// for a specific one, the SSRC in host order.
#[repr(C)]
#[derive(Clone, Copy)]
struct SsrcSelector {
    kind: c_uint,
    value: c_uint,
}

/// `srtp_master_key_t`: key with salt behind it, and the identifier.
#[repr(C)]
struct MasterKeyRef {
    key: *mut u8,
    mki_id: *mut u8,
    mki_size: c_uint,
}

/// `srtp_policy_t`.
#[repr(C)]
struct StreamPolicy {
    ssrc: SsrcSelector,
    rtp: CryptoPolicy,
    rtcp: CryptoPolicy,
    /// One key without identifier; null because `keys` is used.
    key: *mut u8,
    keys: *mut *mut MasterKeyRef,
    num_master_keys: c_ulong,
    deprecated_ekt: *mut c_void,
    window_size: c_ulong,
    allow_repeat_tx: c_int,
    enc_xtn_hdr: *mut c_int,
    enc_xtn_hdr_count: c_int,
    next: *mut StreamPolicy,
}

/// `srtp_ctx_t`, which only the library looks into.
#[repr(C)]
struct Context {
    _opaque: [u8; 0],
}

type SetPolicy = unsafe extern "C" fn(*mut CryptoPolicy);
type Create = unsafe extern "C" fn(*mut *mut Context, *const StreamPolicy) -> c_int;
type Update = unsafe extern "C" fn(*mut Context, *const StreamPolicy) -> c_int;
type Dealloc = unsafe extern "C" fn(*mut Context) -> c_int;
type Protect = unsafe extern "C" fn(*mut Context, *mut c_void, *mut c_int, c_uint, c_uint) -> c_int;
type Unprotect = unsafe extern "C" fn(*mut Context, *mut c_void, *mut c_int, c_uint) -> c_int;
type SetRoc = unsafe extern "C" fn(*mut Context, u32, u32) -> c_int;
type ReadRoc = unsafe extern "C" fn(*mut Context, u32, *mut u32) -> c_int;

/// The library with the functions that are called.
pub(super) struct Functions {
    create: Create,
    update: Update,
    dealloc: Dealloc,
    protect: Protect,
    protect_rtcp: Protect,
    unprotect: Unprotect,
    unprotect_rtcp: Unprotect,
    set_stream_roc: SetRoc,
    get_stream_roc: ReadRoc,
    aes_cm_128_80: SetPolicy,
    aes_cm_128_32: SetPolicy,
    aes_cm_192_80: SetPolicy,
    aes_cm_192_32: SetPolicy,
    aes_cm_256_80: SetPolicy,
    aes_cm_256_32: SetPolicy,
    gcm_128: SetPolicy,
    gcm_256: SetPolicy,
    null_80: SetPolicy,
    /// Keeps the functions mapped.
    _library: Library,
}

/// Loads and initialises the library once for the process.
pub(super) fn functions() -> Result<&'static Functions, LoadError> {
    static FUNCTIONS: OnceLock<Result<Functions, LoadError>> = OnceLock::new();
    FUNCTIONS.get_or_init(load).as_ref().map_err(Clone::clone)
}

fn load() -> Result<Functions, LoadError> {
    // SAFETY: loading runs the library's initialisers; libsrtp 2 has none beyond those of the C
    // library and of OpenSSL, which may run at any time.
    let library = unsafe { Library::new(LIBRARY) }.map_err(|e| LoadError(e.to_string()))?;
    // SAFETY: `srtp_init` is `srtp_err_status_t srtp_init(void)` in srtp.h, an enum returned as int.
    let init: unsafe extern "C" fn() -> c_int = unsafe { symbol(&library, "srtp_init") }?;
    // SAFETY: `functions` calls this once for the process, before every other call, as srtp.h asks.
    let status = unsafe { init() };
    if status != 0 {
        return Err(LoadError(format!("srtp_init returned {status}")));
    }
    // SAFETY: each type above is the declaration of that name in srtp.h of libsrtp 2.5.
    let functions = unsafe { bind(library) }?;
    Ok(functions)
}

/// # Safety
/// The types of [`Functions`] must be those of the library's functions.
unsafe fn bind(library: Library) -> Result<Functions, LoadError> {
    macro_rules! function {
        ($name:literal) => {
            // SAFETY: as the caller promised.
            unsafe { symbol(&library, $name) }?
        };
    }
    Ok(Functions {
        create: function!("srtp_create"),
        update: function!("srtp_update"),
        dealloc: function!("srtp_dealloc"),
        protect: function!("srtp_protect_mki"),
        protect_rtcp: function!("srtp_protect_rtcp_mki"),
        unprotect: function!("srtp_unprotect_mki"),
        unprotect_rtcp: function!("srtp_unprotect_rtcp_mki"),
        set_stream_roc: function!("srtp_set_stream_roc"),
        get_stream_roc: function!("srtp_get_stream_roc"),
        aes_cm_128_80: function!("srtp_crypto_policy_set_rtp_default"),
        aes_cm_128_32: function!("srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32"),
        aes_cm_192_80: function!("srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80"),
        aes_cm_192_32: function!("srtp_crypto_policy_set_aes_cm_192_hmac_sha1_32"),
        aes_cm_256_80: function!("srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80"),
        aes_cm_256_32: function!("srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32"),
        gcm_128: function!("srtp_crypto_policy_set_aes_gcm_128_16_auth"),
        gcm_256: function!("srtp_crypto_policy_set_aes_gcm_256_16_auth"),
        null_80: function!("srtp_crypto_policy_set_null_cipher_hmac_sha1_80"),
        _library: library,
    })
}

/// # Safety
/// `T` must be the function pointer type of the symbol.
unsafe fn symbol<T: Copy>(library: &Library, name: &str) -> Result<T, LoadError> {
    // SAFETY: as the caller promised; the pointer stays valid as long as the library is mapped,
    // which `Functions` sees to.
    let symbol = unsafe { library.get::<T>(name) };
    symbol.map(|symbol| *symbol).map_err(|e| LoadError(e.to_string()))
}

impl Functions {
    fn crypto_policies(&self, spec: &SessionSpec) -> Result<(CryptoPolicy, CryptoPolicy), Refusal> {
        let (rtp, rtcp) = match spec.suite {
            Suite::AesCm128HmacSha1_80 => (self.aes_cm_128_80, self.aes_cm_128_80),
            Suite::AesCm128HmacSha1_32 => (self.aes_cm_128_32, self.aes_cm_128_80),
            Suite::AesCm192HmacSha1_80 => (self.aes_cm_192_80, self.aes_cm_192_80),
            Suite::AesCm192HmacSha1_32 => (self.aes_cm_192_32, self.aes_cm_192_80),
            Suite::AesCm256HmacSha1_80 => (self.aes_cm_256_80, self.aes_cm_256_80),
            Suite::AesCm256HmacSha1_32 => (self.aes_cm_256_32, self.aes_cm_256_80),
            Suite::AeadAes128Gcm => (self.gcm_128, self.gcm_128),
            Suite::AeadAes256Gcm => (self.gcm_256, self.gcm_256),
            Suite::AesF8128HmacSha1_80 => return Err(Refusal::BadParameter),
            Suite::NullHmacSha1_80 | Suite::NullHmacSha1_32 => (self.null_80, self.null_80),
        };
        let (mut for_rtp, mut for_rtcp) = (CryptoPolicy::default(), CryptoPolicy::default());
        // SAFETY: the function writes the six fields of the structure and keeps no pointer.
        unsafe { rtp(&raw mut for_rtp) };
        // SAFETY: as above.
        unsafe { rtcp(&raw mut for_rtcp) };
        if spec.suite == Suite::NullHmacSha1_32 {
            for_rtp.auth_tag_len = 4;
        }
        if spec.unencrypted_srtp {
            for_rtp.sec_serv = AUTHENTICATION_ONLY;
        }
        if spec.unencrypted_srtcp {
            for_rtcp.sec_serv = AUTHENTICATION_ONLY;
        }
        Ok((for_rtp, for_rtcp))
    }

    /// Lends the library's form of a specification; it points into `spec` and lives for the call.
    fn with_policy<R>(
        &self,
        spec: &SessionSpec,
        call: impl FnOnce(*const StreamPolicy) -> R,
    ) -> Result<R, Refusal> {
        let (rtp, rtcp) = self.crypto_policies(spec)?;
        // The library only reads through these pointers; their types lack a `const`.
        let mut keys: Vec<MasterKeyRef> = spec
            .keys
            .iter()
            .map(|key| MasterKeyRef {
                key: key.octets.as_ptr().cast_mut(),
                mki_id: if key.mki.is_empty() {
                    ptr::null_mut()
                } else {
                    key.mki.as_ptr().cast_mut()
                },
                mki_size: key.mki.len() as c_uint,
            })
            .collect();
        let mut key_list: Vec<*mut MasterKeyRef> = keys.iter_mut().map(ptr::from_mut).collect();
        let key_list_start = key_list.as_mut_ptr();
        let mut policies: Vec<StreamPolicy> = selectors(&spec.sources)
            .into_iter()
            .map(|ssrc| StreamPolicy {
                ssrc,
                rtp,
                rtcp,
                key: ptr::null_mut(),
                keys: key_list_start,
                num_master_keys: spec.keys.len() as c_ulong,
                deprecated_ekt: ptr::null_mut(),
                window_size: c_ulong::from(spec.window),
                allow_repeat_tx: c_int::from(spec.allow_repeat_tx),
                enc_xtn_hdr: ptr::null_mut(),
                enc_xtn_hdr_count: 0,
                next: ptr::null_mut(),
            })
            .collect();
        let mut next = ptr::null_mut();
        for policy in policies.iter_mut().rev() {
            policy.next = next;
            next = ptr::from_mut(policy);
        }
        Ok(call(next))
    }
}

fn selectors(sources: &Sources) -> Vec<SsrcSelector> {
    match sources {
        Sources::AnyInbound => vec![SsrcSelector { kind: 2, value: 0 }],
        Sources::AnyOutbound => vec![SsrcSelector { kind: 3, value: 0 }],
        Sources::These(list) => {
            list.iter().map(|ssrc| SsrcSelector { kind: 1, value: ssrc.0 }).collect()
        }
    }
}

/// A session of the library, freed on drop.
pub(super) struct Handle {
    functions: &'static Functions,
    context: *mut Context,
    /// Where packets are worked on: eight-octet words, because the library reads whole words.
    buffer: Vec<u64>,
}

// SAFETY: a session holds no thread's state; the library only asks that no two threads use one
// session at once, and `&mut self` on every call sees to that.
unsafe impl Send for Handle {}

/// What is done to a packet.
#[derive(Clone, Copy)]
pub(super) enum Call {
    Protect { key: usize },
    ProtectRtcp { key: usize },
    Unprotect,
    UnprotectRtcp,
}

impl Handle {
    pub(super) fn create(
        functions: &'static Functions,
        spec: &SessionSpec,
    ) -> Result<Self, Refusal> {
        let mut context = ptr::null_mut();
        let status = functions.with_policy(spec, |policy| {
            // SAFETY: `policy` is a list of whole structures that end with a null `next` and point
            // to keys of the lengths the suite has (`SessionSpec::validate`); the library copies
            // what it needs and writes the session's address to `context`.
            unsafe { (functions.create)(&raw mut context, policy) }
        })?;
        Refusal::check(status)?;
        Ok(Self { functions, context, buffer: Vec::new() })
    }

    pub(super) fn update(&mut self, spec: &SessionSpec) -> Result<(), Refusal> {
        let (functions, context) = (self.functions, self.context);
        let status = functions.with_policy(spec, |policy| {
            // SAFETY: `context` came from `srtp_create` and is not freed yet; `policy` as there.
            unsafe { (functions.update)(context, policy) }
        })?;
        Refusal::check(status)
    }

    pub(super) fn set_roc(&mut self, ssrc: u32, roc: u32) -> Result<(), Refusal> {
        // SAFETY: `context` came from `srtp_create` and is not freed yet.
        Refusal::check(unsafe { (self.functions.set_stream_roc)(self.context, ssrc, roc) })
    }

    pub(super) fn roc(&self, ssrc: u32) -> Result<u32, Refusal> {
        let mut roc = 0;
        // SAFETY: as `set_roc`; the library writes one word to `roc`.
        let status = unsafe { (self.functions.get_stream_roc)(self.context, ssrc, &raw mut roc) };
        Refusal::check(status).map(|()| roc)
    }

    /// Works on a copy of `packet` and returns what became of it.
    pub(super) fn run(
        &mut self,
        call: Call,
        packet: &[u8],
        with_mki: bool,
    ) -> Result<Vec<u8>, Refusal> {
        self.buffer.clear();
        self.buffer.resize((packet.len() + TRAILER).div_ceil(size_of::<u64>()), 0);
        let start = self.buffer.as_mut_ptr().cast::<u8>();
        let room = self.buffer.len() * size_of::<u64>();
        // SAFETY: `start` points to `room` initialised octets that only `self.buffer` owns, and
        // the slice is gone before the library gets the pointer.
        let slot = unsafe { std::slice::from_raw_parts_mut(start, room) };
        slot[..packet.len()].copy_from_slice(packet);
        let mut octets = packet.len() as c_int;
        let len = &raw mut octets;
        let (functions, context) = (self.functions, self.context);
        let (data, mki) = (start.cast::<c_void>(), c_uint::from(with_mki));
        let status = match call {
            // SAFETY: `context` is live; `data` has `octets` octets of packet and room behind them
            // for the longest trailer; the library writes there and to `len`, and keeps neither.
            Call::Protect { key } => unsafe {
                (functions.protect)(context, data, len, mki, key as c_uint)
            },
            // SAFETY: as above.
            Call::ProtectRtcp { key } => unsafe {
                (functions.protect_rtcp)(context, data, len, mki, key as c_uint)
            },
            // SAFETY: as above.
            Call::Unprotect => unsafe { (functions.unprotect)(context, data, len, mki) },
            // SAFETY: as above.
            Call::UnprotectRtcp => unsafe { (functions.unprotect_rtcp)(context, data, len, mki) },
        };
        Refusal::check(status)?;
        let octets = usize::try_from(octets).unwrap_or(0);
        assert!(octets <= room, "libsrtp tells {octets} octets of a buffer of {room}");
        // SAFETY: as the first slice; the library is done with the pointer.
        Ok(unsafe { std::slice::from_raw_parts(start, octets) }.to_vec())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: `context` came from `srtp_create`, and nothing uses it after this.
        unsafe { (self.functions.dealloc)(self.context) };
    }
}
