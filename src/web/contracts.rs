//! The contracts, as calls in JSON need them: which rpcs there are, and their messages in JSON and
//! back (ProtoJSON, <https://protobuf.dev/programming-guides/json/>).
//!
//! All of it comes from the descriptors that reflection serves: an rpc that is added is there.

use std::collections::HashMap;

use prost::Message;
use prost_reflect::{
    DescriptorError, DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor,
    SerializeOptions,
};

use crate::{error::BoxError, web::repeats::Unrepeated};

/// Longest description of what is wrong with a message, in characters: it may quote the message.
const DESCRIPTION_LENGTH_MAX: usize = 300;

/// What is served.
pub(super) struct Contracts {
    pool: DescriptorPool,
    by_path: HashMap<String, Rpc>,
}

/// An rpc.
pub(super) enum Rpc {
    /// One request, one answer.
    Unary {
        /// The request's message.
        input: MessageDescriptor,
        /// The answer's message.
        output: MessageDescriptor,
    },
    /// More than one of either.
    Stream,
}

impl Contracts {
    /// Those of these encoded sets of descriptors.
    ///
    /// # Errors
    /// If they do not go together.
    pub(super) fn new(sets: &[&'static [u8]]) -> Result<Self, DescriptorError> {
        let mut pool = DescriptorPool::new();
        for set in sets {
            pool.decode_file_descriptor_set(*set)?;
        }
        let mut by_path = HashMap::new();
        for service in pool.services() {
            for method in service.methods() {
                let path = format!("/{}/{}", service.full_name(), method.name());
                let rpc = match method.is_client_streaming() || method.is_server_streaming() {
                    true => Rpc::Stream,
                    false => Rpc::Unary { input: method.input(), output: method.output() },
                };
                by_path.insert(path, rpc);
            }
        }
        Ok(Self { pool, by_path })
    }

    /// The rpc at a path.
    pub(super) fn rpc(&self, path: &str) -> Option<&Rpc> {
        self.by_path.get(path)
    }

    /// A message in JSON, by the full name of its type; none where that is not known.
    pub(super) fn write_named(&self, name: &str, message: &[u8]) -> Option<Vec<u8>> {
        write(&self.pool.get_message_by_name(name)?, message).ok()
    }
}

/// Reads a message from JSON. Fields are named as in JSON or as in the contract, and unknown ones
/// are refused: a field that is misspelt must not look like one that was left out. So are those
/// that are given twice.
///
/// # Errors
/// What is wrong, for whoever wrote it.
pub(super) fn read(input: &MessageDescriptor, json: &[u8]) -> Result<Vec<u8>, String> {
    let describe = |error: serde_json::Error| -> String {
        error.to_string().chars().take(DESCRIPTION_LENGTH_MAX).collect()
    };
    serde_json::from_slice::<Unrepeated>(json).map_err(describe)?;
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let mut reader = serde_json::Deserializer::from_slice(json);
    let message = DynamicMessage::deserialize_with_options(input.clone(), &mut reader, &options);
    let message = message.and_then(|message| reader.end().map(|()| message));
    message.map(|message| message.encode_to_vec()).map_err(describe)
}

/// Writes a message in JSON.
///
/// # Errors
/// If it is none of this type.
pub(super) fn write(output: &MessageDescriptor, message: &[u8]) -> Result<Vec<u8>, BoxError> {
    let message = DynamicMessage::decode(output.clone(), message)?;
    let mut json = Vec::new();
    let mut writer = serde_json::Serializer::new(&mut json);
    message.serialize_with_options(&mut writer, &SerializeOptions::new())?;
    Ok(json)
}
