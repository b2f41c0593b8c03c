//! What a redaction does to each field of each type of event, worked out once.

use std::collections::{BTreeSet, HashMap};

use crate::event::{
    schema::{Field, Kind, Message, SCHEMA},
    widget,
};

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Stays,
    Goes,
    /// It stays, without some of what is in it.
    Within(Place),
}

/// Index in `Plan::places`.
pub type Place = usize;

pub struct Plan {
    /// The fields of `Event.data`, by number.
    contents: HashMap<u32, Fate>,
    places: Vec<Fates>,
}

/// The fates of a message's fields at some place, by number.
type Fates = Vec<Fate>;

impl Plan {
    pub fn new(paths: &[String]) -> Self {
        let mut maker = Maker {
            paths: paths.iter().map(|path| path.split('.').collect()).collect(),
            places: Vec::new(),
            known: HashMap::new(),
        };
        let mut contents: HashMap<u32, Fate> = SCHEMA
            .contents()
            .map(|content| (content.field, Fate::Within(maker.place(content.message, &Progress::new()))))
            .collect();
        let mut plan = Self { places: maker.places, contents: HashMap::new() };
        let touched = plan.touched();
        let settled = |fate: &mut Fate| {
            if let Fate::Within(place) = fate
                && !touched[*place]
            {
                *fate = Fate::Stays;
            }
        };
        plan.places.iter_mut().flatten().for_each(settled);
        contents.values_mut().for_each(settled);
        // Nothing but a value of no fixed shape is in it.
        plan.places.push(Fates::new());
        contents.insert(widget::OTHER, Fate::Within(plan.places.len() - 1));
        plan.contents = contents;
        plan
    }

    /// The fate of a field of `Event.data`. None: the field is none of these.
    pub fn content(&self, number: u32) -> Option<Fate> {
        self.contents.get(&number).copied()
    }

    /// The fate of a field at a place. What is not known goes.
    pub fn field(&self, place: Place, number: u32) -> Fate {
        self.places[place].get(number as usize).copied().unwrap_or(Fate::Goes)
    }

    /// For each place, whether anything goes there, or deeper.
    fn touched(&self) -> Vec<bool> {
        let mut touched = vec![false; self.places.len()];
        let has_changed = |touched: &mut Vec<bool>| {
            let goes = |fate: &Fate| match *fate {
                Fate::Stays => false,
                Fate::Goes => true,
                Fate::Within(place) => touched[place],
            };
            let now: Vec<bool> = self.places.iter().map(|fates| fates.iter().skip(1).any(goes)).collect();
            let has_changed = now != *touched;
            *touched = now;
            has_changed
        };
        // Messages may contain themselves: until nothing is new.
        while has_changed(&mut touched) {}
        touched
    }
}

/// The paths of which the fields on the way to a place match the beginning, and how many of their names.
type Progress = BTreeSet<(usize, usize)>;

struct Maker<'p> {
    paths: Vec<Vec<&'p str>>,
    places: Vec<Fates>,
    known: HashMap<(usize, Progress), Place>,
}

impl Maker<'_> {
    /// The place of a message that is reached with `progress`, and those within it.
    fn place(&mut self, message: usize, progress: &Progress) -> Place {
        if let Some(&place) = self.known.get(&(message, progress.clone())) {
            return place;
        }
        let place = self.places.len();
        self.places.push(Fates::new());
        self.known.insert((message, progress.clone()), place);
        let message = &SCHEMA.messages[message];
        for (at, field) in message.fields.iter().enumerate() {
            let fate = self.fate(message, at, field, progress);
            let fates = &mut self.places[place];
            let number = field.number as usize;
            fates.resize(fates.len().max(number + 1), Fate::Goes);
            fates[number] = fate;
        }
        place
    }

    fn fate(&mut self, message: &'static Message, at: usize, field: &Field, progress: &Progress) -> Fate {
        let begun = progress.iter().copied().chain((0..self.paths.len()).map(|path| (path, 0)));
        let is_next = |(path, matched): (usize, usize)| {
            let name = self.paths[path][matched];
            message.field(name, at).is_some_and(|(found, _)| found == at)
        };
        let mut deeper: Progress =
            begun.filter(|&so_far| is_next(so_far)).map(|(path, matched)| (path, matched + 1)).collect();
        if deeper.iter().any(|&(path, matched)| matched == self.paths[path].len()) {
            return Fate::Goes;
        }
        match field.kind {
            // It can't be looked into.
            Kind::Json => Fate::Goes,
            Kind::Message(within) => {
                // The name of a list's elements may be left out.
                if message.elements() == Some(at) {
                    deeper.extend(progress);
                }
                Fate::Within(self.place(within, &deeper))
            }
            Kind::String | Kind::Bool | Kind::Count | Kind::Decimal | Kind::Timestamp => Fate::Stays,
        }
    }
}
