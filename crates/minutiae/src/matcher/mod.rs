//! Are two prints of one finger?
mod align;
mod local;
mod print;
pub use print::{MAX_SPOTS, Print};

/// debug
#[derive(Default)]
pub struct Matcher { local: local::Local, aligner: align::Aligner }
impl Matcher {
    pub fn features(&mut self, a: &Print, b: &Print) -> [f32; 8] {
        if a.spots.len()<3||b.spots.len()<3 { return [0.0;8]; }
        self.local.compare(a,b);
        let rank=self.local.ranking();
        let top:f32 = rank.iter().take(8).map(|&i|self.local.pairs[i].support).sum();
        let loc:f32 = rank.iter().take(8).map(|&i|self.local.pairs[i].alike).sum();
        let al=self.aligner.best(a,b,&self.local);
        let n=al.matches.len() as f32;
        let alike:f32=al.matches.iter().map(|m|m.alike).sum::<f32>();
        [top, loc, n, al.matched, al.expected_a, al.expected_b, alike, a.spots.len().min(b.spots.len()) as f32]
    }
}
