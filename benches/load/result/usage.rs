//! What processes and cores used.

use serde::{Deserialize, Serialize};

/// Processor time, memory and descriptors of a process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProcessUse {
    /// Processor seconds in the window, user and system.
    pub(crate) cpu_seconds: f64,
    /// Its threads, those that did nothing left out.
    pub(crate) threads: Vec<ThreadUse>,
    /// Before the calls were set up.
    pub(crate) before: Footprint,
    /// With the calls, at the end of the window.
    pub(crate) after: Footprint,
    /// Proportional memory that a call takes, in octets.
    pub(crate) octets_per_call: f64,
    /// Descriptors that a call takes.
    pub(crate) descriptors_per_call: f64,
}

/// Processor time of a thread.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ThreadUse {
    /// Its name.
    pub(crate) name: String,
    /// Seconds in user mode.
    pub(crate) user_seconds: f64,
    /// Seconds in the kernel.
    pub(crate) system_seconds: f64,
}

/// What a process holds at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Footprint {
    /// Resident memory in octets.
    pub(crate) rss_octets: u64,
    /// Proportional share of resident memory in octets.
    pub(crate) pss_octets: u64,
    /// Open descriptors.
    pub(crate) descriptors: u64,
}

/// One core in the window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CoreUse {
    /// Its number.
    pub(crate) core: usize,
    /// Seconds in user mode.
    pub(crate) user_seconds: f64,
    /// Seconds in the kernel, interrupts left out.
    pub(crate) system_seconds: f64,
    /// Seconds in soft interrupts.
    pub(crate) softirq_seconds: f64,
    /// Seconds of these in the kernel's own thread for them, which no process is charged with.
    #[serde(default)]
    pub(crate) softirq_thread_seconds: f64,
    /// Idle seconds.
    pub(crate) idle_seconds: f64,
}
