use minutiae::synthesis::*;
use minutiae::*;
fn main(){
  let mut canvas = vec![255u8; 256*6*288*4*3];
  let w=256*6;
  let mut tot=0.0; let mut n=0;
  for f in 0..6usize {
    let finger = Finger::with_pattern(100+f as u64, Pattern::ALL[f]);
    for (l,lev) in [Level::Good,Level::Ordinary,Level::Poor,Level::Poor].iter().enumerate(){
      let im=finger.impression(&Press::draw(f as u64*10+l as u64,*lev));
      for y in 0..288 {for x in 0..256{ let o=((l*288+y)*w)+f*256+x; let v=im.pixels()[y*256+x]; for c in 0..3 {canvas[3*o+c]=v;}} }
  let t=std::time::Instant::now();
      let r=extract(&im);
      tot+=t.elapsed().as_secs_f64(); n+=1;
      match r { Err(e)=>eprintln!("{f} {l} {e}"), Ok(r)=>{ eprint!("[{f} {l}: q{} n{}] ", r.quality(), r.view().minutiae().len());
        if std::env::args().nth(2).is_some() { r.debug(|x,y|{ let o=((l*288+y)*w)+f*256+x; canvas[3*o]=0; canvas[3*o+1]=160; canvas[3*o+2]=0; }); }
        for m in r.view().minutiae() { let c = if m.kind()==template::Kind::Ending {[255,0,0]} else {[0,0,255]};
          let a=m.angle() as f32/256.0*6.2832;
          let mut put=|x:f32,y:f32|{ let (x,y)=(x as i32,y as i32); if x>=0&&y>=0&&x<256&&y<288 { let o=((l*288+y as usize)*w)+f*256+x as usize; canvas[3*o..3*o+3].copy_from_slice(&c);} };
          for s in 0..10 { put(m.x() as f32+a.cos()*s as f32, m.y() as f32-a.sin()*s as f32); }
          for dy in -2..=2 { for dx in -2..=2i32 { if (dx as i32).abs()==2||(dy as i32).abs()==2 {put(m.x() as f32+dx as f32,m.y() as f32+dy as f32);} } }
        } } }
    }
  }
  eprintln!("extract {:.1} ms", tot*1000.0/n as f64);
  let file=std::fs::File::create(std::env::args().nth(1).unwrap()).unwrap();
  let mut e=png::Encoder::new(file,256*6,288*4); e.set_color(png::ColorType::Rgb); e.set_depth(png::BitDepth::Eight);
  let mut w=e.write_header().unwrap(); w.write_image_data(&canvas).unwrap();
}
