//! What GitOps tools make of our objects, in every state that there is: the verdicts of the real kstatus (Flux, Helm 4)
//! and of Argo CD's Lua engine with our scripts, on every version of an object that the operator has ever left.

mod actions;
mod cluster;
mod endpoints;
mod layout;
mod links;
mod program;
mod recorder;
mod scenarios;
mod steady;
mod table;
mod trail;
