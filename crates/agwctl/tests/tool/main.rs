//! The tool as its users meet it: the binary, against the API of a gateway in this process.

mod alg;
mod calls;
mod desk;
mod gateway;
mod json;
mod shell;
