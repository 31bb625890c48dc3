//! The five plain shapes in which a word crosses a border: a column, a CSV cell, a JSON field.
//!
//! A type that is stored implements [`Plain`] once, here or beside its own definition, and every
//! floor above can bind and read it without a conversion of its own.

/// A borrowed plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Val<'a> {
    /// No value.
    Null,
    /// A 64-bit integer: ids, minor units, microseconds, counts.
    I64(i64),
    /// A truth value. Engines without booleans hold 0 and 1.
    Bool(bool),
    /// Text in UTF-8.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// A word with a plain shape.
pub trait Plain: Sized {
    /// The plain shape of this value.
    fn to_val(&self) -> Val<'_>;
    /// Reads the plain shape back; `None` when the shape or the content is not of this type.
    fn from_val(val: Val<'_>) -> Option<Self>;
}

impl Plain for i64 {
    fn to_val(&self) -> Val<'_> {
        Val::I64(*self)
    }
    fn from_val(val: Val<'_>) -> Option<Self> {
        match val {
            Val::I64(it) => Some(it),
            _ => None,
        }
    }
}

impl Plain for bool {
    fn to_val(&self) -> Val<'_> {
        Val::Bool(*self)
    }
    fn from_val(val: Val<'_>) -> Option<Self> {
        match val {
            Val::Bool(it) => Some(it),
            Val::I64(0) => Some(false),
            Val::I64(1) => Some(true),
            _ => None,
        }
    }
}

impl Plain for String {
    fn to_val(&self) -> Val<'_> {
        Val::Text(self)
    }
    fn from_val(val: Val<'_>) -> Option<Self> {
        match val {
            Val::Text(it) => Some(it.to_owned()),
            _ => None,
        }
    }
}

impl Plain for Vec<u8> {
    fn to_val(&self) -> Val<'_> {
        Val::Bytes(self)
    }
    fn from_val(val: Val<'_>) -> Option<Self> {
        match val {
            Val::Bytes(it) => Some(it.to_vec()),
            _ => None,
        }
    }
}

impl<const N: usize> Plain for [u8; N] {
    fn to_val(&self) -> Val<'_> {
        Val::Bytes(self)
    }
    fn from_val(val: Val<'_>) -> Option<Self> {
        match val {
            Val::Bytes(it) => it.try_into().ok(),
            _ => None,
        }
    }
}

impl<T: Plain> Plain for Option<T> {
    fn to_val(&self) -> Val<'_> {
        self.as_ref().map_or(Val::Null, T::to_val)
    }
    fn from_val(val: Val<'_>) -> Option<Self> {
        match val {
            Val::Null => Some(None),
            it => T::from_val(it).map(Some),
        }
    }
}

/// Binds by reference what is only borrowed: `&str`, `&[u8]`, `&T`.
pub trait AsVal {
    /// The plain shape of what is borrowed.
    fn as_val(&self) -> Val<'_>;
}

impl<T: Plain> AsVal for T {
    fn as_val(&self) -> Val<'_> {
        self.to_val()
    }
}
impl AsVal for str {
    fn as_val(&self) -> Val<'_> {
        Val::Text(self)
    }
}
impl AsVal for &str {
    fn as_val(&self) -> Val<'_> {
        Val::Text(self)
    }
}
impl AsVal for &[u8] {
    fn as_val(&self) -> Val<'_> {
        Val::Bytes(self)
    }
}
impl AsVal for [u8] {
    fn as_val(&self) -> Val<'_> {
        Val::Bytes(self)
    }
}

/// The wire code of an enum of states: `plain_enum!` gives a Rust enum its words in a column.
///
/// ```
/// base::plain_enum! {
///     /// A light.
///     pub enum Light { Red = "red", Green = "green" }
/// }
/// assert_eq!(Light::Red.code(), "red");
/// assert_eq!(Light::from_code("green"), Some(Light::Green));
/// ```
#[macro_export]
macro_rules! plain_enum {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$vmeta:meta])* $variant:ident = $code:literal),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name { $($(#[$vmeta])* #[doc = concat!("`", $code, "`")] $variant),+ }
        impl $name {
            /// Every value, in the order of its declaration.
            $vis const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The word in columns, files and interfaces.
            $vis const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }
            /// The value of a word; `None` when it is not one of ours.
            $vis fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }
        impl $crate::Plain for $name {
            fn to_val(&self) -> $crate::Val<'_> { $crate::Val::Text(self.code()) }
            fn from_val(val: $crate::Val<'_>) -> Option<Self> {
                match val { $crate::Val::Text(it) => Self::from_code(it), _ => None }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.code())
            }
        }
    };
}
