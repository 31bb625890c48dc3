//! Stand-ins until the crate below is here.
base::ids! {
    /// A person or an organisation.
    pub struct PartyId = "pty";
    /// A physical place of business.
    pub struct PremisesId = "prm";
}
/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person.
    Person(PartyId),
    /// A job or rule of the house.
    Platform,
}
