use minutiae::matcher::*;
use minutiae::synthesis::*;
use minutiae::*;
use std::time::Instant;
fn main() {
    let nf: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let per = 6usize;
    let base: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let dump = std::env::args().nth(3);
    let mut out = String::new();
    for lev in Level::ALL {
        let mut blob: Vec<u8> = ((nf * per) as u32).to_le_bytes().to_vec();
        let mut prints = vec![];
        let mut quals = vec![];
        let mut mem = 0;
        let mut nm = 0;
        let t = Instant::now();
        let mut te = 0.0;
        for f in 0..nf {
            let fin = Finger::from_seed(base + f as u64);
            for p in 0..per {
                let im = fin.impression(&Press::draw(base * 7 + (f * per + p) as u64, lev));
                blob.extend(256u32.to_le_bytes());
                blob.extend(288u32.to_le_bytes());
                blob.extend(im.pixels());
                let t = Instant::now();
                let r = extract(&im);
                te += t.elapsed().as_secs_f64();
                match r {
                    Ok(r) => {
                        let pr = Print::new(r.view());
                        quals.push(r.quality());
                        mem += pr.size_bytes();
                        nm += pr.len();
                        prints.push(Some(pr));
                    }
                    Err(_) => {
                        quals.push(0);
                        prints.push(None)
                    }
                }
            }
        }
        let tt = t.elapsed().as_secs_f64();
        quals.sort();
        println!(
            "{lev:?}: setup {:.1}s extract {:.1}ms q p5 {} p50 {} p95 {} mem {} n {:.1}",
            tt,
            te * 1000.0 / (nf * per) as f64,
            quals[quals.len() / 20],
            quals[quals.len() / 2],
            quals[quals.len() * 19 / 20],
            mem / prints.len(),
            nm as f32 / prints.len() as f32
        );

        let mut g = vec![];
        let mut im = vec![];
        let t = Instant::now();
        let mut cnt = 0;
        // three-view enrolment
        let nb = std::env::var("NBIS").ok().map(|path| {
            let mut pairs = vec![];
            for f in 0..nf {
                for p in 0..per {
                    for e in 0..nf {
                        for k in 1..4 {
                            pairs.push((f * per + p, e * per + (p + k) % per));
                        }
                    }
                }
            }
            blob.extend((pairs.len() as u32).to_le_bytes());
            for (a, b) in &pairs {
                blob.extend((*a as u32).to_le_bytes());
                blob.extend((*b as u32).to_le_bytes());
            }
            use std::io::{Read, Write};
            let mut c = std::process::Command::new(path)
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let mut i = c.stdin.take().unwrap();
            let b2 = std::mem::take(&mut blob);
            let h = std::thread::spawn(move || {
                i.write_all(&b2).unwrap();
            });
            let mut o = vec![];
            c.stdout.take().unwrap().read_to_end(&mut o).unwrap();
            h.join().unwrap();
            o.chunks(4).map(|c| i32::from_le_bytes(c.try_into().unwrap()) as f32).collect::<Vec<_>>()
        });
        let mut cmp = |a: usize, b: usize| -> f32 {
            cnt += 1;
            match (&prints[a], &prints[b]) {
                (Some(a), Some(b)) => compare(a, b).raw(),
                _ => 0.0,
            }
        };
        let mut g1 = vec![];
        let mut i1 = vec![];
        let mut n = 0;
        let mut gn = vec![];
        let mut inn = vec![];
        let mut gn1 = vec![];
        let mut in1 = vec![];
        for f in 0..nf {
            for p in 0..per {
                let probe = f * per + p;
                for e in 0..nf {
                    let mut s: Vec<f32> = (1..4).map(|k| cmp(probe, e * per + (p + k) % per)).collect();
                    if e == f {
                        g1.extend(s.iter().copied());
                    } else {
                        i1.extend(s.iter().copied());
                    }
                    s.sort_by(|a, b| b.total_cmp(a));
                    if let Some(nb) = &nb {
                        let mut q = nb[n..n + 3].to_vec();
                        if e == f {
                            gn1.extend(q.iter().copied())
                        } else {
                            in1.extend(q.iter().copied())
                        };
                        q.sort_by(|a, b| b.total_cmp(a));
                        let v = (q[0] + q[1]) / 2.0;
                        if e == f { gn.push(v) } else { inn.push(v) }
                    }
                    n += 3;
                    let v = (s[0] + s[1]) / 2.0;
                    if e == f { g.push(v) } else { im.push(v) }
                }
            }
        }
        let us = t.elapsed().as_secs_f64() * 1e6 / cnt as f64;
        for (name, g, im) in
            [("1v", &mut g1, &mut i1), ("3v", &mut g, &mut im), ("N1", &mut gn1, &mut in1), ("N3", &mut gn, &mut inn)]
        {
            if g.is_empty() {
                continue;
            }
            g.sort_by(f32::total_cmp);
            im.sort_by(|a, b| b.total_cmp(a));
            let fnmr = |t: f32| g.iter().filter(|&&x| x <= t).count() as f32 / g.len() as f32 * 100.0;
            println!(
                "  {name} gen min {:.1} p1 {:.1} p50 {:.1} | imp max {:.1} p99.99 {:.1} p99.9 {:.1} p99 {:.1} p50 {:.1} | FNMR@0 {:.2} @.01 {:.2} @.1 {:.2} @1 {:.2} | {us:.0}us",
                g[0],
                g[g.len() / 100],
                g[g.len() / 2],
                im[0],
                im[im.len() / 10000],
                im[im.len() / 1000],
                im[im.len() / 100],
                im[im.len() / 2],
                fnmr(im[0]),
                fnmr(im[im.len() / 10000]),
                fnmr(im[im.len() / 1000]),
                fnmr(im[im.len() / 100])
            );
        }
    }
    if let Some(d) = dump {
        std::fs::write(d, out).unwrap();
    }
}
