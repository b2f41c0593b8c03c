//! The scenarios: each exits with 0 if the relay kept its promises, else with 1 and everything needed to see why.
//!
//! - `powercut`: round after round the power fails under load, in start-up or while stopping; nothing that was
//!   acknowledged may be missing, listed twice, out of order or under another number. Every other round the disk has
//!   also written a random part of what nobody synced, as real disks do.
//! - `powercut --lying-disk`: fsync does nothing, so a loss must be found: the proof that the first can fail.
//! - `fsync-fails`: after a failed fsync of the WAL nothing is acknowledged, and the relay exits with 1; it exits so too
//!   when a checkpoint's fsync of the database fails.
//! - `full-disk`: refusals that can be retried, and recovery in place; and no loss if the power fails while it is full.

use std::collections::BTreeMap;
use std::process::{ExitCode, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use powercut::http::Connection;
use powercut::ledger::Ledger;
use powercut::load::{Delivery, Load, Webhook};
use powercut::machine::{Machine, SECRET};
use powercut::{Outcome, relay, wait_until};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const USAGE: &str =
    "usage: SMILE_RELAY_BIN=PATH powercut (powercut [--rounds N] [--lying-disk] | fsync-fails | full-disk) [--seed N]";

/// The relay's name for its database, beside which SQLite keeps the WAL.
const DATABASE: &str = "events.db";
/// For what the relay has to do by itself, such as noticing that there is room again.
const PATIENCE: Duration = Duration::from_secs(30);

struct Options {
    scenario: String,
    rounds: u32,
    seed: u64,
    lying_disk: bool,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}: seed {}", options.scenario, options.seed);
    match run(&options) {
        Ok(()) => {
            println!("{}: passed", options.scenario);
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{}: FAILED with --seed {}\n{error}", options.scenario, options.seed);
            ExitCode::FAILURE
        }
    }
}

fn options() -> Outcome<Options> {
    let mut arguments = std::env::args().skip(1);
    let scenario = arguments.next().ok_or("which scenario?")?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut options = Options { scenario, rounds: 12, seed: u64::from(now.subsec_nanos()), lying_disk: false };
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().ok_or_else(|| format!("{argument} wants a number"));
        match argument.as_str() {
            "--rounds" => options.rounds = number()?.parse()?,
            "--seed" => options.seed = number()?.parse()?,
            "--lying-disk" => options.lying_disk = true,
            _ => return Err(format!("what is {argument}?").into()),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Outcome {
    let binary = std::env::var_os("SMILE_RELAY_BIN").ok_or("SMILE_RELAY_BIN is not set")?;
    relay::check_binary(binary.as_ref())?;
    keep_mounts_to_ourselves()?;
    let mut machine = Machine::assemble(binary.into())?;
    let mut random = StdRng::seed_from_u64(options.seed);
    let outcome = match options.scenario.as_str() {
        "powercut" if options.lying_disk => lying_disk(&mut machine, options.rounds, &mut random),
        "powercut" => power_cuts(&mut machine, options.rounds, &mut random),
        "fsync-fails" => fsync_fails(&mut machine, &mut random),
        "full-disk" => full_disk(&mut machine, &mut random),
        _ => return Err(USAGE.into()),
    };
    outcome.map_err(|error| format!("{error}\n{}", machine.logs()).into())
}

/// In a mount namespace of our own a mount can't outlive us and the relay, however we end.
fn keep_mounts_to_ourselves() -> Outcome {
    unshare(CloneFlags::CLONE_NEWNS).map_err(|error| format!("a mount namespace (are you root?): {error}"))?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Cut {
    UnderLoad,
    WhileStopping,
    /// Under load, and then again whenever the relay tries to recover.
    WhileStarting,
}

fn power_cuts(machine: &mut Machine, rounds: u32, random: &mut StdRng) -> Outcome {
    let mut ledger = Ledger::default();
    let mut resend = Vec::new();
    for round in 1..=rounds {
        let startup = start_and_check(machine, &mut ledger)?;
        let cut = [Cut::UnderLoad, Cut::WhileStopping, Cut::WhileStarting][(round - 1) as usize % 3];
        // All combinations with the kinds of cut within six rounds.
        let surviving = if round % 2 == 0 { random.random_range(0.0..1.0) } else { 0.0 };
        println!("round {round} of {rounds}, {cut:?}, {:.0} % of what is not synced survives", surviving * 100.0);

        let deliveries = load_and_cut(machine, cut, random, &resend)?;
        ledger.record(&deliveries);
        report_cut(machine, &ledger, &deliveries, &mut || random.random_bool(surviving))?;
        // What was on its way when the power failed is what Smile sends again, answered or not.
        resend = deliveries.into_iter().rev().take(40).map(|delivery| delivery.webhook).collect();

        if matches!(cut, Cut::WhileStarting) {
            for _ in 0..3 {
                let moment = random.random_range(Duration::ZERO..startup * 5 / 4);
                machine.launch()?;
                sleep(moment);
                machine.cut_power(Duration::ZERO)?;
                println!("  and again {} ms into its start", moment.as_millis());
                machine.restore_power(|| random.random_bool(surviving))?;
            }
        }
    }
    start_and_check(machine, &mut ledger)?;
    machine.relay().terminate()?;
    let status = machine.relay().wait_for_exit(Duration::from_secs(30))?;
    if !status.success() {
        return Err(format!("SIGTERM without load, but the relay ended with {status}").into());
    }
    println!("stopped cleanly, then lost power");
    machine.restore_power(|| false)?;
    start_and_check(machine, &mut ledger)?;
    Ok(())
}

fn lying_disk(machine: &mut Machine, rounds: u32, random: &mut StdRng) -> Outcome {
    let mut ledger = Ledger::default();
    for round in 1..=rounds {
        machine.start()?;
        machine.disk.lie();
        println!("round {round} of {rounds}, from now on fsync does nothing");
        let deliveries = load_and_cut(machine, Cut::UnderLoad, random, &[])?;
        ledger.record(&deliveries);
        report_cut(machine, &ledger, &deliveries, &mut || false)?;
        machine.start()?;
        let findings = ledger.check(&machine.relay().list()?);
        if !findings.only_losses() {
            return Err(format!("losses were expected, but not this:\n{findings}").into());
        }
        if !findings.lost.is_empty() {
            println!("  {} acknowledged events are lost, and it was noticed: as it must be", findings.lost.len());
            return Ok(());
        }
        machine.relay().kill()?;
    }
    Err("a disk that makes nothing durable lost nothing: these scenarios can't find a loss".into())
}

fn fsync_fails(machine: &mut Machine, random: &mut StdRng) -> Outcome {
    let mut ledger = Ledger::default();
    start_and_check(machine, &mut ledger)?;
    let load = start_load(machine, random, &[])?;
    sleep(random.random_range(Duration::from_millis(200)..Duration::from_millis(600)));
    machine.disk.fail_syncs("-wal");
    let injected = Instant::now();
    println!("from now on every fsync of the WAL fails");
    let status = machine.relay().wait_for_exit(Duration::from_secs(20))?;
    let ended = injected.elapsed();
    let deliveries = load.finish()?;
    ledger.record(&deliveries);
    println!("  the relay ended after {} ms: {status}; answers: {}", ended.as_millis(), answers(&deliveries));

    let failed = machine.disk.first_failed_sync().ok_or("the relay ended before any fsync of the WAL failed")?;
    let after: Vec<_> = deliveries.iter().filter(|delivery| delivery.began > failed).collect();
    println!("  webhooks sent after the first failed fsync: {}", after.len());
    if let Some(wrong) = after.iter().find(|delivery| delivery.acknowledged()) {
        let late = wrong.began - failed;
        return Err(format!("sent {late:?} after a failed fsync, and acknowledged: {wrong:?}").into());
    }
    ended_with_one(status)?;
    machine.restore_power(|| false)?;
    start_and_check(machine, &mut ledger)?;
    checkpoint_fails(machine, &mut ledger, random)
}

/// The database's own fsync, which only a checkpoint needs. Without load, as under load a checkpoint may take its time.
fn checkpoint_fails(machine: &mut Machine, ledger: &mut Ledger, random: &mut StdRng) -> Outcome {
    let load = start_load(machine, random, &[])?;
    machine.disk.fail_syncs(DATABASE);
    println!("from now on every fsync of {DATABASE} fails");
    ledger.record(&load.finish()?);
    let status = machine.relay().wait_for_exit(Duration::from_secs(20))?;
    println!("  the relay ended: {status}");
    machine.disk.first_failed_sync().ok_or("the relay ended before any fsync failed")?;
    ended_with_one(status)?;
    machine.restore_power(|| false)?;
    start_and_check(machine, ledger)?;
    Ok(())
}

fn ended_with_one(status: ExitStatus) -> Outcome {
    match status.code() {
        Some(1) => Ok(()),
        _ => Err(format!("the relay should have ended with code 1: {status}").into()),
    }
}

fn full_disk(machine: &mut Machine, random: &mut StdRng) -> Outcome {
    let mut ledger = Ledger::default();
    start_and_check(machine, &mut ledger)?;
    let load = start_load(machine, random, &[])?;
    let room = fill(machine, &load)?;
    sleep(random.random_range(Duration::from_millis(500)..Duration::from_secs(3)));
    println!("  answers: {}", load.look(answers));

    machine.disk.set_capacity(room + (1 << 30));
    let raised = Instant::now();
    println!("the disk has room again");
    wait_until("webhooks are stored again", PATIENCE, || {
        alive(machine)?;
        let accepted = |deliveries: &[Delivery]| deliveries.iter().any(|one| one.began > raised && one.acknowledged());
        Ok(load.look(accepted).then_some(()))
    })?;
    println!("  stored again after {} ms", raised.elapsed().as_millis());
    wait_until("the relay is ready again", PATIENCE, || {
        alive(machine)?;
        Ok((machine.relay().readyz()? == 200).then_some(()))
    })?;
    let mut deliveries = load.finish()?;
    println!("  ready again; answers: {}", answers(&deliveries));
    let proper = |delivery: &Delivery| delivery.acknowledged() || refused(delivery);
    if let Some(wrong) = deliveries.iter().find(|delivery| !proper(delivery)) {
        return Err(format!("neither 200 nor 503 with Retry-After: {wrong:?}").into());
    }

    let refusals: Vec<_> = deliveries.iter().filter(|delivery| refused(delivery)).cloned().collect();
    let mut connection = Connection::open(machine.relay().address("public")?)?;
    for refusal in refusals.iter().rev().take(20).chain(refusals.iter().take(20)) {
        let again = resend(&mut connection, &refusal.webhook)?;
        if !again.acknowledged() {
            return Err(format!("refused while the disk was full, and again afterwards: {again:?}").into());
        }
        deliveries.push(again);
    }
    ledger.record(&deliveries);
    check(machine, &mut ledger)?;
    println!("killed");
    machine.relay().kill()?;
    start_and_check(machine, &mut ledger)?;

    let load = start_load(machine, random, &[])?;
    let room = fill(machine, &load)?;
    println!("now the power fails too");
    machine.cut_power(Duration::ZERO)?;
    ledger.record(&load.finish()?);
    machine.disk.set_capacity(room + (1 << 30));
    machine.restore_power(|| false)?;
    start_and_check(machine, &mut ledger)?;
    Ok(())
}

/// Takes the disk's room away under load, until the relay refuses and says that it is not ready. Says what room is left.
fn fill(machine: &mut Machine, load: &Load) -> Outcome<u64> {
    const REFUSALS: usize = 50;
    let room = machine.disk.used() + (2 << 20);
    machine.disk.set_capacity(room);
    println!("the disk is as good as full: {} KiB", room >> 10);
    wait_until("the relay refuses webhooks with 503 and Retry-After", PATIENCE, || {
        alive(machine)?;
        let refusals = load.look(|deliveries| deliveries.iter().filter(|delivery| refused(delivery)).count());
        Ok((refusals >= REFUSALS).then_some(()))
    })?;
    let readyz = wait_until("the relay is not ready", PATIENCE, || {
        alive(machine)?;
        Ok(Some(machine.relay().readyz()?).filter(|status| *status != 200))
    })?;
    // A restart would not help.
    for path in ["/livez", "/startupz"] {
        let status = machine.relay().probe(path)?;
        if status != 200 {
            return Err(format!("the disk is full, and {path} says {status}").into());
        }
    }
    println!("  refused with 503; /readyz: {readyz}; answers: {}", load.look(answers));
    Ok(room)
}

/// In the way that makes Smile try again.
fn refused(delivery: &Delivery) -> bool {
    delivery.answer.as_ref().is_some_and(|answer| answer.status == 503 && answer.retry_after.is_some())
}

/// Starts the relay and holds what it lists against what it promised. Says how long the start took.
fn start_and_check(machine: &mut Machine, ledger: &mut Ledger) -> Outcome<Duration> {
    let startup = machine.start()?;
    println!("  ready after {} ms", startup.as_millis());
    check(machine, ledger)?;
    Ok(startup)
}

fn check(machine: &mut Machine, ledger: &mut Ledger) -> Outcome {
    let listing = machine.relay().list()?;
    let findings = ledger.check(&listing);
    if !findings.none() {
        return Err(
            format!("{} events listed, {} acknowledged\n{findings}", listing.len(), ledger.acknowledged()).into()
        );
    }
    println!("  {} events listed, with all {} acknowledged", listing.len(), ledger.acknowledged());
    Ok(())
}

/// Puts load on the relay and waits for its first answer.
fn start_load(machine: &mut Machine, random: &mut StdRng, resend: &[Webhook]) -> Outcome<Load> {
    let load = Load::start(machine.relay().address("public")?, SECRET, random, resend);
    wait_until("the first webhook is acknowledged", Duration::from_secs(20), || {
        alive(machine)?;
        Ok(load.look(|deliveries| deliveries.iter().any(Delivery::acknowledged)).then_some(()))
    })?;
    Ok(load)
}

/// Load for a random time, then the cut. Until the power fails every webhook has to be acknowledged.
fn load_and_cut(machine: &mut Machine, cut: Cut, random: &mut StdRng, resend: &[Webhook]) -> Outcome<Vec<Delivery>> {
    let load = start_load(machine, random, resend)?;
    let begun = Instant::now();
    let moment = random.random_range(Duration::from_millis(50)..Duration::from_millis(900));
    sleep(moment);
    alive(machine)?;
    if let Some(refused) = load.look(|deliveries| deliveries.iter().find(|one| !one.acknowledged()).cloned()) {
        return Err(format!("not acknowledged although nothing was wrong yet: {refused:?}").into());
    }
    if matches!(cut, Cut::WhileStopping) {
        machine.relay().terminate()?;
        println!("  SIGTERM {} ms after the first 200", moment.as_millis());
        sleep(random.random_range(Duration::ZERO..Duration::from_millis(100)));
    }
    // Sometimes the relay gets to see that its disk is gone, and must not acknowledge what it then can't store.
    let agony = Duration::from_millis(random.random_range(0..2) * random.random_range(1..30));
    let moment = begun.elapsed();
    machine.cut_power(agony)?;
    println!("  cut {} ms after the first 200, killed {} ms later", moment.as_millis(), agony.as_millis());
    load.finish()
}

fn report_cut(
    machine: &mut Machine,
    ledger: &Ledger,
    deliveries: &[Delivery],
    survives: &mut dyn FnMut() -> bool,
) -> Outcome {
    let unsynced = machine.restore_power(survives)?;
    println!(
        "  answers: {}; acknowledged in all: {}; blocks not synced: {}, of which survived: {}",
        answers(deliveries),
        ledger.acknowledged(),
        unsynced.blocks,
        unsynced.survived
    );
    let odd = |delivery: &&Delivery| delivery.status().is_some_and(|status| status != 200 && status < 500);
    match deliveries.iter().find(odd) {
        Some(odd) => Err(format!("a webhook like any other was answered otherwise: {odd:?}").into()),
        None => Ok(()),
    }
}

fn resend(connection: &mut Connection, webhook: &Webhook) -> Outcome<Delivery> {
    let began = Instant::now();
    let answer = Some(webhook.send(connection, SECRET)?);
    Ok(Delivery { webhook: webhook.clone(), began, answer })
}

fn alive(machine: &mut Machine) -> Outcome {
    match machine.relay().exited()? {
        Some(status) => Err(format!("the relay ended by itself: {status}").into()),
        None => Ok(()),
    }
}

/// How many answers of each kind.
fn answers(deliveries: &[Delivery]) -> String {
    let mut counts = BTreeMap::new();
    for delivery in deliveries {
        *counts.entry(delivery.status()).or_insert(0_usize) += 1;
    }
    let each = counts.into_iter().map(|(status, count)| match status {
        Some(status) => format!("{count} x {status}"),
        None => format!("{count} x none"),
    });
    each.collect::<Vec<_>>().join(", ")
}
