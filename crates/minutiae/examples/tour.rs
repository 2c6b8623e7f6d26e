use minutiae::synthesis::*;
use std::io::Write;
fn main(){
  let t=std::time::Instant::now();
  let mut canvas = vec![255u8; 256*6*288*4];
  for f in 0..6usize {
    let finger = Finger::with_pattern(100+f as u64, Pattern::ALL[f]);
    for (l,lev) in [Level::Good,Level::Ordinary,Level::Poor,Level::Poor].iter().enumerate(){
      let im=finger.impression(&Press::draw(f as u64*10+l as u64,*lev));
      for y in 0..288 { let o=((l*288+y)*256*6)+f*256; canvas[o..o+256].copy_from_slice(&im.pixels()[y*256..y*256+256]); }
    }
  }
  eprintln!("{:?}", t.elapsed());
  let file=std::fs::File::create(std::env::args().nth(1).unwrap()).unwrap();
  let mut e=png::Encoder::new(file,256*6,288*4); e.set_color(png::ColorType::Grayscale); e.set_depth(png::BitDepth::Eight);
  let mut w=e.write_header().unwrap(); w.write_image_data(&canvas).unwrap();
}
