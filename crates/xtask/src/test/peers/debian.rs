//! Peers and tools from Debian's packages.

use std::process::{Command, Stdio};

use anyhow::bail;

use crate::process;

/// A package that a test uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: &'static str,
    /// Which test uses it and for what.
    pub(crate) why: &'static str,
}

/// Every package that a test or a tool of the test command uses.
const PACKAGES: &[Package] = &[
    Package { name: "baresip-core", why: "interop: a phone with SDES" },
    Package { name: "ca-certificates", why: "pip, for the Python packages" },
    Package { name: "clang-19", why: "unit: the XDP program against one compiled from C" },
    Package { name: "curl", why: "interop: the page about Kamailio, as it stands" },
    Package { name: "ffmpeg", why: "interop: SRTP with 128-bit keys, its own implementation" },
    Package { name: "gstreamer1.0-plugins-bad", why: "interop: srtpenc and srtpdec" },
    Package { name: "gstreamer1.0-plugins-base", why: "interop: test tones and audio conversion" },
    Package { name: "gstreamer1.0-plugins-good", why: "interop: RTP payloaders, UDP, A-law, WAV" },
    Package { name: "gstreamer1.0-tools", why: "interop: gst-launch-1.0" },
    Package { name: "iproute2", why: "xdp: network namespaces, interfaces and neighbours" },
    Package { name: "kamailio", why: "interop: a SIP proxy that speaks ng" },
    Package { name: "kamailio-tls-modules", why: "interop: SIP over TLS" },
    Package { name: "libsrtp2-1", why: "unit: differential tests against libsrtp" },
    Package { name: "nftables", why: "e2e: a NAT, and a packet filter that refuses" },
    Package { name: "prometheus", why: "e2e: promtool checks the metrics" },
    Package { name: "python3-venv", why: "the environment of the Python packages" },
    Package { name: "sip-tester", why: "interop: SIPp, fifty calls a second" },
    Package { name: "systemd", why: "e2e: systemd-analyze checks the unit" },
    Package { name: "tshark", why: "interop: what passes between a phone, its proxy and agw" },
    Package { name: "util-linux", why: "interop: unshare, a network for the page about Kamailio" },
];

/// Every package that the comparison with peers uses.
pub(crate) const FOR_COMPARISON: &[Package] = &[
    Package { name: "ethtool", why: "settings of the interfaces between network namespaces" },
    Package { name: "iproute2", why: "network namespaces" },
    Package { name: "rtpengine-daemon", why: "the peer" },
    Package { name: "util-linux", why: "taskset, a core for each gateway" },
];

/// The packages of tests that are not installed; all of them on a machine without dpkg.
pub(crate) fn missing() -> Vec<&'static Package> {
    missing_of(PACKAGES)
}

fn missing_of(packages: &'static [Package]) -> Vec<&'static Package> {
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat=${Package} ${db:Status-Status}\\n"])
        .args(packages.iter().map(|package| package.name))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let listed = output.map(|output| output.stdout).unwrap_or_default();
    missing_from(packages, &String::from_utf8_lossy(&listed))
}

/// Installs what tests miss.
///
/// # Errors
///
/// When this is no Debian machine, we are not root, or apt-get fails.
pub(crate) fn install() -> anyhow::Result<()> {
    install_all(PACKAGES)
}

/// Installs what is missing of these.
///
/// # Errors
///
/// As [`install`].
pub(crate) fn install_all(packages: &'static [Package]) -> anyhow::Result<()> {
    let missing = missing_of(packages);
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        println!("{} is missing ({})", package.name, package.why);
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    if process::find_program("apt-get").is_none() {
        bail!("apt-get is not here");
    }
    if !is_root() {
        bail!("as root: apt-get install --no-install-recommends {}", names.join(" "));
    }
    process::run(apt_get().arg("update"))?;
    process::run(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(names))
}

/// `apt-get` that asks nothing and waits for another one that runs.
fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command.args(["--quiet", "--option", "DPkg::Lock::Timeout=900"]);
    command
}

/// Whether we may do everything.
pub(crate) fn is_root() -> bool {
    let output = Command::new("id").arg("-u").stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn missing_from(packages: &'static [Package], listed: &str) -> Vec<&'static Package> {
    let installed: Vec<&str> =
        listed.lines().filter_map(|line| line.strip_suffix(" installed")).collect();
    packages.iter().filter(|package| !installed.contains(&package.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_package_that_is_installed_whole_is_not_missing() {
        let all: String =
            PACKAGES.iter().map(|package| format!("{} installed\n", package.name)).collect();
        let names = |listed: &str| -> Vec<_> {
            missing_from(PACKAGES, listed).iter().map(|package| package.name).collect()
        };

        assert!(names(&all).is_empty());
        assert_eq!(names(&all.replace("ffmpeg installed", "ffmpeg config-files")), ["ffmpeg"]);
        assert_eq!(names("").len(), PACKAGES.len());
    }
}
