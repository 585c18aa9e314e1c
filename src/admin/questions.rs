//! Asking cores how they are, without waiting for one that hangs: at most one question lies open with each core,
//! so that asking again and again fills nobody's inbox.

use super::{CoreReport, Sources};
use crate::limits::REPORT_MS;
use std::cell::RefCell;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// A question to one core. It goes there by the mesh, and its answer needs no way back.
#[derive(Clone, Debug, Default)]
pub struct Question(Arc<OnceLock<CoreReport>>);

/// The questions that are open, by core.
pub(super) struct Questions(RefCell<Vec<Option<Question>>>);

impl Question {
    /// This is how the core is.
    pub fn answer(&self, report: CoreReport) {
        // A second answer to one question says nothing new.
        let _ = self.0.set(report);
    }
}

impl Questions {
    pub fn new(cores: u16) -> Self {
        Self(RefCell::new(vec![None; usize::from(cores)]))
    }

    /// Asks all cores and waits at most [`REPORT_MS`]; `None` of those who did not answer.
    pub async fn ask(&self, sources: &Sources) -> Vec<Option<CoreReport>> {
        let asked: Vec<Question> = (0..sources.cores).map(|core| self.ask_one(core, sources)).collect();
        let late = Instant::now() + Duration::from_millis(REPORT_MS);
        while !asked.iter().all(|question| question.0.get().is_some()) && Instant::now() < late {
            monoio::time::sleep(Duration::from_millis(2)).await;
        }
        asked.iter().map(|question| question.0.get().cloned()).collect()
    }

    /// A question to this core: the one that is open already, or a new one.
    fn ask_one(&self, core: u16, sources: &Sources) -> Question {
        let place = &mut self.0.borrow_mut()[usize::from(core)];
        match place {
            Some(open) if open.0.get().is_none() => open.clone(),
            _ => {
                let question = place.insert(Question::default()).clone();
                (sources.ask)(core, question.clone());
                question
            }
        }
    }
}
