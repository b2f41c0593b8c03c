//! One computer: a disk, its mount, and the relay that runs on it.
//!
//! The only place where the order of things matters: the relay is dead before its disk is unmounted, and the disk is
//! unmounted before its power comes back. Dropping a machine, also in the middle of a failure, ends all three.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::Outcome;
use crate::fs::{Disk, Mounted, Unsynced};
use crate::relay::{Recipe, Relay};

pub const SECRET: &str = "whsec-power-cut";

pub struct Machine {
    // Dropped in this order.
    relay: Option<Relay>,
    mounted: Option<Mounted>,
    pub disk: Disk,
    recipe: Recipe,
    /// The logs of relays that are gone, for the report of a failure: the last one's end.
    earlier_log: String,
    directory: TempDir,
}

impl Machine {
    /// A new disk, with nothing on it.
    pub fn assemble(binary: PathBuf) -> Outcome<Self> {
        let directory = TempDir::with_prefix("powercut-")?;
        let scratch = directory.path().to_owned();
        let mount_point = scratch.join("disk");
        std::fs::create_dir(&mount_point)?;
        let secret_file = scratch.join("secret");
        std::fs::write(&secret_file, SECRET)?;
        let disk = Disk::default();
        let mounted = Some(disk.mount(&mount_point)?);
        let recipe = Recipe { binary, data: mount_point.join("data"), secret_file, scratch };
        Ok(Self { relay: None, mounted, disk, recipe, earlier_log: String::new(), directory })
    }

    /// Starts the relay without waiting for it.
    pub fn launch(&mut self) -> Outcome<&mut Relay> {
        if let Some(earlier) = self.relay.take() {
            self.earlier_log = earlier.log_tail();
        }
        Ok(self.relay.insert(self.recipe.start()?))
    }

    /// Starts the relay and waits until it serves; says how long that took.
    pub fn start(&mut self) -> Outcome<Duration> {
        self.launch()?.wait_until_ready()
    }

    pub fn relay(&mut self) -> &mut Relay {
        self.relay.as_mut().expect("a scenario starts the relay first")
    }

    /// Cuts the power, lets the relay run into that for a while, and kills it.
    pub fn cut_power(&mut self, agony: Duration) -> Outcome {
        self.disk.power_cut();
        sleep(agony);
        self.relay().kill()?;
        Ok(())
    }

    /// What is durable comes back, and what `survives` of the rest. The relay has to be dead.
    pub fn restore_power(&mut self, survives: impl FnMut() -> bool) -> Outcome<Unsynced> {
        self.mounted.take().expect("mounted but for this function").unmount()?;
        let unsynced = self.disk.power_on(survives);
        self.mounted = Some(self.disk.mount(&self.directory.path().join("disk"))?);
        Ok(unsynced)
    }

    /// The ends of the relays' logs, as text for people.
    pub fn logs(&self) -> String {
        let current = self.relay.as_ref().map(Relay::log_tail).unwrap_or_default();
        format!("the log of the relay before:\n{}the log of the last relay:\n{current}", self.earlier_log)
    }
}
