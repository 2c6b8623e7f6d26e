//! Minutiae as the rest of the world writes them.

/// What a ridge does at a minutia.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The ridge stops.
    Ending,
    /// The ridge forks.
    Bifurcation,
    /// Some other accident; only templates from elsewhere carry it.
    Other,
}

/// A place where a ridge ends or forks.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Minutia {
    x: u16,
    y: u16,
    angle: u8,
    kind: Kind,
    quality: u8,
}
impl Minutia {
    pub fn new(x: u16, y: u16, angle: u8, kind: Kind, quality: u8) -> Self { Self{x,y,angle,kind,quality} }
    pub fn x(&self)->u16{self.x}
    pub fn y(&self)->u16{self.y}
    pub fn angle(&self)->u8{self.angle}
    pub fn kind(&self)->Kind{self.kind}
    pub fn quality(&self)->u8{self.quality}
}
#[derive(Clone, Debug)]
pub struct View { quality: u8, minutiae: Vec<Minutia> }
impl View {
    pub(crate) fn from_extraction(_w: usize, _h: usize, quality: u8, minutiae: Vec<Minutia>) -> Self { Self{quality, minutiae} }
    pub fn minutiae(&self)->&[Minutia]{&self.minutiae}
    pub fn quality(&self)->u8{self.quality}
    pub fn x_per_cm(&self)->u16{197}
    pub fn y_per_cm(&self)->u16{197}
}
impl std::fmt::Debug for Minutia { fn fmt(&self, f:&mut std::fmt::Formatter<'_>)->std::fmt::Result{ write!(f,"Minutia") } }
