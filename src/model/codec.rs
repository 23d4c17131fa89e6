//! Decides how values lie on disk: compact MessagePack, fields by position.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value that could not be encoded, or bytes that are not an encoding of the expected type.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(String);

/// Appends the encoding of `value` to `bytes`.
///
/// # Errors
/// If the type's `Serialize` implementation fails. `bytes` may then end in a partial encoding.
pub fn encode_into<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    value.serialize(&mut rmp_serde::Serializer::new(bytes)).map_err(|error| CodecError(error.to_string()))
}

/// The encoding of `value`.
///
/// # Errors
/// If the type's `Serialize` implementation fails.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    encode_into(value, &mut bytes)?;
    Ok(bytes)
}

/// Decodes one value from the whole of `bytes`.
///
/// # Errors
/// If the bytes are not an encoding of `T`, or go on after it.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut rest = bytes;
    let value = rmp_serde::from_read(&mut rest).map_err(|error| CodecError(error.to_string()))?;
    if rest.is_empty() { Ok(value) } else { Err(CodecError(format!("{} bytes follow the value", rest.len()))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_were() {
        let value = (42u64, "mühle".to_owned(), vec![Some(-1i64), None]);
        let back: (u64, String, Vec<Option<i64>>) = decode(&encode(&value).unwrap()).unwrap();
        assert_eq!(back, value);
    }

    #[test]
    fn bytes_behind_the_value_are_refused() {
        let mut bytes = encode(&7u8).unwrap();
        bytes.push(0);
        assert!(decode::<u8>(&bytes).is_err());
    }
}
