//! The ledger: what was promised to the sender, held against what the relay lists.
//!
//! Promised is: every event that ever got a 2xx is listed, no event is listed twice, sequences strictly increase in the
//! order of the listing, and what was listed once is listed ever after under the same sequence.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::load::Delivery;

/// One event as the relay lists it.
#[derive(Clone, Debug)]
pub struct Listed {
    pub id: String,
    pub sequence: u64,
}

#[derive(Default)]
pub struct Ledger {
    acknowledged: HashSet<String>,
    /// As of the last listing.
    sequences: HashMap<String, u64>,
}

/// Every broken promise, in words, by kind.
#[derive(Default, Debug)]
pub struct Findings {
    pub lost: Vec<String>,
    pub duplicated: Vec<String>,
    pub disordered: Vec<String>,
    pub moved: Vec<String>,
}

impl Ledger {
    pub fn record(&mut self, deliveries: &[Delivery]) {
        let acknowledged = deliveries.iter().filter(|delivery| delivery.acknowledged());
        self.acknowledged.extend(acknowledged.map(|delivery| delivery.webhook.id.clone()));
    }

    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// To be called with what a relay lists that has just recovered: what it shows then must stay.
    pub fn check(&mut self, listing: &[Listed]) -> Findings {
        let mut findings = Findings::default();
        let mut sequences = HashMap::with_capacity(listing.len());
        let mut last = 0;
        for Listed { id, sequence } in listing {
            if *sequence <= last {
                findings.disordered.push(format!("{id}: {sequence} after {last}"));
            }
            last = *sequence;
            let first = *sequences.entry(id.clone()).or_insert(*sequence);
            if first != *sequence {
                findings.duplicated.push(format!("{id}: {first} and {sequence}"));
            } else if let Some(before) = self.sequences.get(id)
                && before != sequence
            {
                findings.moved.push(format!("{id}: {before}, now {sequence}"));
            }
        }
        let promised =
            self.acknowledged.iter().chain(self.sequences.keys().filter(|id| !self.acknowledged.contains(*id)));
        findings.lost = promised.filter(|id| !sequences.contains_key(*id)).cloned().collect();
        self.sequences = sequences;
        findings
    }
}

impl Findings {
    pub fn only_losses(&self) -> bool {
        self.duplicated.is_empty() && self.disordered.is_empty() && self.moved.is_empty()
    }

    pub fn none(&self) -> bool {
        self.lost.is_empty() && self.only_losses()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 20;
        let kinds = [
            ("lost", &self.lost),
            ("listed twice", &self.duplicated),
            ("out of order", &self.disordered),
            ("moved to another sequence", &self.moved),
        ];
        for (kind, broken) in kinds.into_iter().filter(|(_, broken)| !broken.is_empty()) {
            writeln!(f, "{} {kind}:", broken.len())?;
            broken.iter().take(SHOWN).try_for_each(|one| writeln!(f, "  {one}"))?;
            if broken.len() > SHOWN {
                writeln!(f, "  ... and {} more", broken.len() - SHOWN)?;
            }
        }
        Ok(())
    }
}
