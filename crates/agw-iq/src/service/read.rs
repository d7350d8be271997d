//! How each procedure's request becomes commands.

use agw_context::{Command, Priority};
use prost::Message;

use crate::convert::{self, MAX_COMMANDS};
use crate::invalid::{InvalidRequest, each, required};
use crate::pb;
use crate::status::Places;
use crate::unread::{Glance, UnreadTransaction, glance};
use crate::wipe::Wiped;

/// What a request asks for.
pub(super) struct Asked {
    /// Its transaction id, if it has one.
    pub(super) id: Option<String>,
    /// Its commands.
    pub(super) commands: Vec<Command>,
    /// Where they stand in it.
    pub(super) places: Places,
}

/// How to read a request.
pub(super) struct Reading<M> {
    /// The procedure, so that requests to two of them never count as the same.
    pub(super) procedure: &'static str,
    /// Whether it asks for a new context; cheap, and told before the request is read.
    pub(super) opening: fn(&M) -> Option<Opening<'_>>,
    /// Takes the request apart.
    pub(super) read: fn(&M) -> Result<Asked, InvalidRequest>,
}

/// A request for new contexts.
pub(super) struct Opening<'a> {
    /// Its transaction id; empty if it has none.
    pub(super) id: &'a str,
    /// The lowest precedence among them.
    pub(super) priority: Priority,
    /// The realms of their terminations.
    pub(super) realms: Vec<&'a str>,
}

impl<'a> Opening<'a> {
    fn of(id: &'a str, reserves: impl Iterator<Item = Glance<'a>>) -> Option<Self> {
        let (mut priority, mut realms) = (None, Vec::new());
        for reserve in reserves.filter(|reserve| reserve.context_id == 0) {
            if !reserve.latest_context {
                let asked = match pb::Priority::try_from(reserve.priority) {
                    // What is no priority is refused where it is read.
                    Ok(pb::Priority::Unspecified | pb::Priority::Normal) | Err(_) => {
                        Priority::Normal
                    }
                    Ok(pb::Priority::Priority) => Priority::Priority,
                    Ok(pb::Priority::Emergency) => Priority::Emergency,
                };
                priority = Some(priority.map_or(asked, |lowest: Priority| lowest.min(asked)));
            }
            realms.push(reserve.realm);
        }
        Some(Self { id, priority: priority?, realms })
    }

    fn of_one(id: &'a str, reserve: Option<&'a pb::Reserve>) -> Option<Self> {
        let glance = |reserve: &'a pb::Reserve| Glance {
            context_id: reserve.context_id,
            latest_context: reserve.latest_context,
            realm: &reserve.realm,
            priority: reserve.priority,
        };
        Self::of(id, reserve.map(glance).into_iter())
    }

    fn among(unread: &'a UnreadTransaction) -> Option<Self> {
        let UnreadTransaction { transaction_id, commands } = unread;
        let reserves = commands.iter().take(MAX_COMMANDS).filter_map(|command| glance(command));
        Self::of(transaction_id, reserves)
    }
}

/// A request of one command.
fn one<C>(
    transaction_id: &str,
    field: &'static str,
    command: Option<&C>,
    convert: impl FnOnce(&C) -> Result<Command, InvalidRequest>,
) -> Result<Asked, InvalidRequest> {
    let id = convert::transaction_id(transaction_id)?;
    let commands = vec![required(field, command, convert)?];
    Ok(Asked { id, commands, places: Places::Single(field) })
}

/// A request of several commands.
fn many(unread: &UnreadTransaction) -> Result<Asked, InvalidRequest> {
    let UnreadTransaction { transaction_id, commands } = unread;
    let id = convert::transaction_id(transaction_id)?;
    if !(1..=MAX_COMMANDS).contains(&commands.len()) {
        return Err(InvalidRequest::value("commands", "are 1 to 64"));
    }
    let named = each("commands", commands, |octets| {
        let mut command = Wiped(pb::Command::default());
        let read = command.0.merge(octets.as_slice());
        read.map_err(|_| InvalidRequest::value("command", "is not encoded as a Command"))?;
        convert::command(&command.0)
    })?;
    let (names, commands) = named.into_iter().unzip();
    Ok(Asked { id, commands, places: Places::Several(names) })
}

pub(super) const RESERVE: Reading<pb::ReserveConnectionPointRequest> = Reading {
    procedure: "ReserveConnectionPoint",
    opening: |request| Opening::of_one(&request.transaction_id, request.reserve.as_ref()),
    read: |pb::ReserveConnectionPointRequest { transaction_id, reserve }| {
        one(transaction_id, "reserve", reserve.as_ref(), |reserve| {
            check_latest(reserve)?;
            let known = reserve.streams.iter().position(|stream| stream.remote.is_some());
            if let Some(position) = known {
                let rule = "is for ReserveAndConfigureConnectionPoint";
                return Err(InvalidRequest::value(&format!("streams[{position}].remote"), rule));
            }
            convert::reserve(reserve)
        })
    },
};

pub(super) const RESERVE_AND_CONFIGURE: Reading<pb::ReserveAndConfigureConnectionPointRequest> =
    Reading {
        procedure: "ReserveAndConfigureConnectionPoint",
        opening: |request| Opening::of_one(&request.transaction_id, request.reserve.as_ref()),
        read: |pb::ReserveAndConfigureConnectionPointRequest { transaction_id, reserve }| {
            one(transaction_id, "reserve", reserve.as_ref(), |reserve| {
                check_latest(reserve)?;
                let unknown = reserve.streams.iter().position(|stream| stream.remote.is_none());
                if let Some(position) = unknown {
                    return Err(InvalidRequest::missing(&format!("streams[{position}].remote")));
                }
                convert::reserve(reserve)
            })
        },
    };

fn check_latest(reserve: &pb::Reserve) -> Result<(), InvalidRequest> {
    if reserve.latest_context {
        let rule = "is for Transact and TransactStream";
        return Err(InvalidRequest::value("latest_context", rule));
    }
    Ok(())
}

pub(super) const CONFIGURE: Reading<pb::ConfigureConnectionPointRequest> = Reading {
    procedure: "ConfigureConnectionPoint",
    opening: |_| None,
    read: |pb::ConfigureConnectionPointRequest { transaction_id, configure }| {
        one(transaction_id, "configure", configure.as_ref(), convert::configure)
    },
};

pub(super) const CHANGE_THROUGH_CONNECTION: Reading<pb::ChangeThroughConnectionRequest> = Reading {
    procedure: "ChangeThroughConnection",
    opening: |_| None,
    read: |pb::ChangeThroughConnectionRequest { transaction_id, change_through_connection }| {
        let change = change_through_connection.as_ref();
        let convert = convert::change_through_connection;
        one(transaction_id, "change_through_connection", change, convert)
    },
};

pub(super) const SET_TOPOLOGY: Reading<pb::SetTopologyRequest> = Reading {
    procedure: "SetTopology",
    opening: |_| None,
    read: |pb::SetTopologyRequest { transaction_id, set_topology }| {
        one(transaction_id, "set_topology", set_topology.as_ref(), convert::set_topology)
    },
};

pub(super) const RELEASE: Reading<pb::ReleaseRequest> = Reading {
    procedure: "Release",
    opening: |_| None,
    read: |pb::ReleaseRequest { transaction_id, release }| {
        one(transaction_id, "release", release.as_ref(), convert::release)
    },
};

pub(super) const STAGE_KEY: Reading<pb::StageKeyRequest> = Reading {
    procedure: "StageKey",
    opening: |_| None,
    read: |pb::StageKeyRequest { transaction_id, stage_key }| {
        one(transaction_id, "stage_key", stage_key.as_ref(), convert::stage_key)
    },
};

pub(super) const ACTIVATE_KEY: Reading<pb::ActivateKeyRequest> = Reading {
    procedure: "ActivateKey",
    opening: |_| None,
    read: |pb::ActivateKeyRequest { transaction_id, activate_key }| {
        one(transaction_id, "activate_key", activate_key.as_ref(), convert::activate_key)
    },
};

pub(super) const CANCEL_KEY: Reading<pb::CancelKeyRequest> = Reading {
    procedure: "CancelKey",
    opening: |_| None,
    read: |pb::CancelKeyRequest { transaction_id, cancel_key }| {
        one(transaction_id, "cancel_key", cancel_key.as_ref(), convert::cancel_key)
    },
};

pub(super) const SET_GROUP: Reading<pb::SetGroupRequest> = Reading {
    procedure: "SetGroup",
    opening: |_| None,
    read: |pb::SetGroupRequest { transaction_id, set_group }| {
        one(transaction_id, "set_group", set_group.as_ref(), |set| {
            if set.latest_context {
                let rule = "is for Transact and TransactStream";
                return Err(InvalidRequest::value("latest_context", rule));
            }
            convert::set_group(set)
        })
    },
};

pub(super) const REMOVE_GROUP: Reading<pb::RemoveGroupRequest> = Reading {
    procedure: "RemoveGroup",
    opening: |_| None,
    read: |pb::RemoveGroupRequest { transaction_id, remove_group }| {
        one(transaction_id, "remove_group", remove_group.as_ref(), convert::remove_group)
    },
};

// A transaction may be tried on a stream and, after the stream broke, by a call of its own: both
// count as the same procedure, and their messages have the same fields.
pub(super) const TRANSACT: Reading<UnreadTransaction> =
    Reading { procedure: "Transact", opening: |unread| Opening::among(unread), read: many };
