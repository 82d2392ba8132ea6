//! What can be wrong with a declaration, in words.

use crate::field::Field;
use crate::nearest::nearest;

/// Why a declared key, value or long-term table was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeclareError {
    /// No field has that name.
    #[error("`{column}`: there is no field `{name}`{}", did_you_mean(.nearest))]
    UnknownField {
        /// The column that asks for it.
        column: String,
        /// As the user wrote it.
        name: String,
        /// The closest known name, if one is close.
        nearest: Option<&'static str>,
    },
    /// No aggregate has that name.
    #[error("there is no aggregate `{name}`{}", did_you_mean(.nearest))]
    UnknownAggregate {
        /// As the user wrote it.
        name: String,
        /// The closest known name, if one is close.
        nearest: Option<&'static str>,
    },
    /// An aggregate got arguments it does not take.
    #[error("`{aggregate}`: {why}; write {usage}")]
    Argument {
        /// The aggregate.
        aggregate: &'static str,
        /// What is wrong.
        why: String,
        /// What would be right.
        usage: &'static str,
    },
    /// A key column cannot be read.
    #[error("key `{column}`: `{text}`: {why}")]
    Key {
        /// The column.
        column: String,
        /// As the user wrote it.
        text: String,
        /// What is wrong and what would be right.
        why: String,
    },
    /// A value column asks for what its field cannot give.
    #[error("value `{column}`: {why}")]
    Value {
        /// The column.
        column: String,
        /// What is wrong and what would be right.
        why: String,
    },
    /// Two columns have one name.
    #[error("two columns are called `{0}`: each name stands once among key and value")]
    Twice(String),
    /// Neither key nor value.
    #[error("nothing is declared: give `key`, `value`, or both")]
    Nothing,
    /// The long-term table asks for what the interval's table does not have.
    #[error("long: {0}")]
    Long(String),
    /// A policy for full tables has another name.
    #[error("`{0}` is no policy for a full table: write other, evict or sample")]
    Policy(String),
}

fn did_you_mean(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// The field called `name`, or an error that names the nearest.
pub(super) fn field_named(column: &str, name: &str) -> Result<Field, DeclareError> {
    Field::named(name).ok_or_else(|| DeclareError::UnknownField {
        column: column.to_owned(),
        name: name.to_owned(),
        nearest: nearest(name, Field::ALL.iter().map(|f| f.name())),
    })
}
