//! The fingers of a run, their prints, and who is compared with whom.

use std::num::NonZeroUsize;
use std::time::Instant;

use minutiae::matcher::{Enrolment, Print, compare};
use minutiae::synthesis::{Finger, Level, Pattern, Press};
use minutiae::template::View;
use minutiae::{Image, extract_in_stages};

pub(crate) const IMPRESSIONS: usize = 6;
const ENROLLED: usize = 3;

pub(crate) struct Options {
    pub(crate) fingers: usize,
    pub(crate) seed: u64,
    pub(crate) threads: usize,
}

impl Options {
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            fingers: 150,
            seed: 70_000,
            threads: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let text = arguments.next().unwrap_or_default();
                text.parse::<usize>().map_err(|_| format!("{argument} needs a number, got {text:?}"))
            };
            match argument.as_str() {
                "--fingers" => options.fingers = number()?.max(2),
                "--seed" => options.seed = number()? as u64,
                "--threads" => options.threads = number()?.max(1),
                // cargo bench says this to every bench
                "--bench" => {}
                other => return Err(format!("unknown option {other}; --fingers, --seed, --threads")),
            }
        }
        Ok(options)
    }
}

/// Every impression of one level.
pub(crate) struct Set {
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) images: Vec<Image>,
    pub(crate) views: Vec<Option<View>>,
    pub(crate) prints: Vec<Print>,
    pub(crate) grow_ms: f64,
    pub(crate) press_ms: f64,
    pub(crate) extract_ms: Vec<f64>,
    pub(crate) stages: Stages,
    pub(crate) prepare_us: f64,
}

/// One probe against one finger's enrolment; numbers are those of images.
pub(crate) struct Trial {
    pub(crate) probe: usize,
    pub(crate) owner: usize,
    pub(crate) enrolled: [usize; ENROLLED],
}

impl Trial {
    pub(crate) fn genuine(&self) -> bool {
        self.probe / IMPRESSIONS == self.owner
    }
}

impl Set {
    pub(crate) fn build(options: &Options, level: Level) -> Self {
        let mut set = Self {
            patterns: Vec::new(),
            images: Vec::new(),
            views: Vec::new(),
            prints: Vec::new(),
            grow_ms: 0.0,
            press_ms: 0.0,
            extract_ms: Vec::new(),
            stages: Stages::default(),
            prepare_us: 0.0,
        };
        for number in 0..options.fingers {
            let seed = options.seed + number as u64;
            let started = Instant::now();
            let finger = Finger::from_seed(seed);
            set.grow_ms += milliseconds(started);
            set.patterns.push(finger.pattern());
            for press in 0..IMPRESSIONS as u64 {
                let press = Press::draw(seed * 100 + press + 1_000_000 * level as u64, level);
                let started = Instant::now();
                let image = finger.impression(&press);
                set.press_ms += milliseconds(started);

                let (milliseconds_taken, reading) = set.stages.extract(&image);
                set.extract_ms.push(milliseconds_taken);
                let view = reading.ok().map(minutiae::Reading::into_view);

                // an image without a view compares with nothing and is wrong as a probe
                let empty = || View::new(minutiae::template::Frame::at_500_dpi(256, 288), 0, Vec::new());
                let started = Instant::now();
                let print = Print::new(&view.clone().or_else(|| empty().ok()).expect("an empty view is a view"));
                set.prepare_us += 1e3 * milliseconds(started);
                set.prints.push(print);
                set.views.push(view);
                set.images.push(image);
            }
        }
        let images = set.images.len() as f64;
        set.grow_ms /= options.fingers as f64;
        set.press_ms /= images;
        set.prepare_us /= images;
        set
    }

    pub(crate) fn summary(&self) -> String {
        let mut qualities: Vec<u8> = self.views.iter().map(|v| v.as_ref().map_or(0, View::quality)).collect();
        qualities.sort_unstable();
        let at = |part: usize| qualities[qualities.len() * part / 100];
        let minutiae: usize = self.prints.iter().map(Print::len).sum();
        let bytes: usize = self.prints.iter().map(Print::size_bytes).sum();
        let most_bytes = self.prints.iter().map(Print::size_bytes).max().unwrap_or(0);
        let most = self.views.iter().flatten().map(|view| view.minutiae().len()).max().unwrap_or(0);
        let count = self.prints.len();
        let refused = self.views.iter().filter(|view| view.is_none()).count();
        format!(
            "quality (5 %, median, 95 %): {} {} {}; minutiae a print: {:.1}, at most {most}; memory a print: {} B, at most {most_bytes} B; refused images: {refused} of {count}\n",
            at(5),
            at(50),
            at(95),
            minutiae as f64 / count as f64,
            bytes / count,
        )
    }

    pub(crate) fn trials(&self) -> Vec<Trial> {
        let mut trials = Vec::new();
        for probe in 0..self.images.len() {
            for owner in 0..self.patterns.len() {
                let enrolled =
                    std::array::from_fn(|k| owner * IMPRESSIONS + (probe % IMPRESSIONS + 1 + k) % IMPRESSIONS);
                trials.push(Trial { probe, owner, enrolled });
            }
        }
        trials
    }

    pub(crate) fn same_pattern(&self, trial: &Trial) -> bool {
        self.patterns[trial.probe / IMPRESSIONS] == self.patterns[trial.owner]
    }

    /// An enrolment as the trials use it.
    pub(crate) fn enrolment(&self, enrolled: [usize; ENROLLED]) -> Option<Enrolment> {
        let views: Vec<View> = enrolled.iter().filter_map(|&image| self.views[image].clone()).collect();
        Enrolment::new(&views).ok()
    }

    pub(crate) fn our_scores(&self, trials: &[Trial], threads: usize) -> Vec<f32> {
        let mut scores = vec![0.0f32; trials.len()];
        let share = trials.len().div_ceil(threads);
        std::thread::scope(|scope| {
            for (trials, scores) in trials.chunks(share).zip(scores.chunks_mut(share)) {
                scope.spawn(move || {
                    for (trial, score) in trials.iter().zip(scores) {
                        let each =
                            trial.enrolled.map(|view| compare(&self.prints[trial.probe], &self.prints[view]).raw());
                        *score = best_two(each);
                    }
                });
            }
        });
        scores
    }
}

/// What each stage of extraction took, added up.
#[derive(Default)]
pub(crate) struct Stages {
    images: usize,
    /// In the order they were first heard of.
    list: Vec<(&'static str, Vec<f64>)>,
}

impl Stages {
    /// Extracts, and notes what the whole took and each of its stages, in milliseconds.
    fn extract(&mut self, image: &Image) -> (f64, Result<minutiae::Reading, minutiae::ExtractError>) {
        let mut laps = Vec::with_capacity(16);
        let started = Instant::now();
        let reading = extract_in_stages(image, |stage| laps.push((stage, milliseconds(started))));
        let whole = milliseconds(started);
        self.images += 1;
        let mut before = 0.0;
        for (stage, after) in laps {
            let times = match self.list.iter().position(|(name, _)| *name == stage) {
                Some(place) => &mut self.list[place].1,
                None => {
                    self.list.push((stage, Vec::new()));
                    &mut self.list.last_mut().expect("it was pushed").1
                }
            };
            // some stages come back later in the same image
            if times.len() < self.images {
                times.resize(self.images, 0.0);
            }
            times[self.images - 1] += after - before;
            before = after;
        }
        (whole, reading)
    }

    /// Every stage with its times, one an image, of several sets together.
    pub(crate) fn together(sets: &[Set]) -> Vec<(&'static str, Vec<f64>)> {
        let mut all: Vec<(&'static str, Vec<f64>)> = Vec::new();
        for (stage, times) in sets.iter().flat_map(|set| &set.stages.list) {
            match all.iter_mut().find(|(name, _)| name == stage) {
                Some((_, have)) => have.extend(times),
                None => all.push((stage, times.clone())),
            }
        }
        for (_, times) in &mut all {
            times.sort_by(f64::total_cmp);
        }
        all
    }
}

/// The mean of the best two of three, as an enrolment decides.
pub(crate) fn best_two(mut scores: [f32; ENROLLED]) -> f32 {
    scores.sort_by(|a, b| b.total_cmp(a));
    (scores[0] + scores[1]) / 2.0
}

pub(crate) fn milliseconds(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e3
}
