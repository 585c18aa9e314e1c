//! The settings about CPUs, and the plan that they and this host come to.

use super::cluster::is_in_cluster;
use super::reader::Reader;
use super::values::{Problem, numbers};
use crate::host::{parse_cpu_list, read_host};
use crate::limits::CORES;
use crate::placement::{Cpus, Host, Plan, Wishes, plan};
use std::path::Path;

/// A plan, and the host it is for.
#[derive(Clone, Debug)]
pub struct Placement {
    /// This one.
    pub host: Host,
    /// What runs where.
    pub plan: Plan,
}

/// `None`: mistakes stay with the reader.
pub(super) fn read_placement(read: &mut Reader<'_>) -> Option<Placement> {
    let wishes = Wishes {
        cores: read.optional("cores", numbers(1, CORES as u32)).map(|cores| cores as u16),
        core_cpus: read.optional("cpus", unless_auto(cpu_list)).flatten(),
        backplane: read.optional("backplane_cpus", unless_auto(cpu_set)).flatten(),
        store: read.optional("store_cpus", unless_auto(cpu_set)).flatten(),
        interrupts: read.optional("irq_cpus", unless_auto(cpu_set)).flatten(),
        is_in_cluster: is_in_cluster(read),
    };
    let host = read_host(Path::new("/"));
    match plan(&host, &wishes) {
        Ok(plan) => Some(Placement { host, plan }),
        Err(wrong) => {
            wrong.iter().for_each(|impossible| read.mistake(impossible.setting(), impossible.to_string()));
            None
        }
    }
}

/// `auto` leaves it to the plan, as if nothing were written: so a flag can take back what a file says.
fn unless_auto<T>(parse: impl Fn(&str) -> Result<T, Problem>) -> impl Fn(&str) -> Result<Option<T>, Problem> {
    move |text| if text == "auto" { Ok(None) } else { parse(text).map(Some) }
}

/// In its order, which is that of the cores.
fn cpu_list(text: &str) -> Result<Vec<u16>, Problem> {
    let cpus = parse_cpu_list(text).map_err(|bad| bad.to_string())?;
    Ok(cpus.into_iter().map(|cpu| u16::try_from(cpu).unwrap_or(u16::MAX)).collect())
}

fn cpu_set(text: &str) -> Result<Cpus, Problem> {
    let cpus = Cpus::parse(text).filter(|cpus| !cpus.is_empty());
    cpus.ok_or_else(|| "is no list of CPUs; write numbers and ranges, as in 0-3,8".into())
}
