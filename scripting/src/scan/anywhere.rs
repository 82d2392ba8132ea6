//! What reads like a field in a text whose packet goes where it cannot be followed.

use como_core::field::{Field, Kind};

use super::tokens::Shape;
use super::{LAYERS, Scan, is_dotted};
use crate::flow;

impl Scan<'_> {
    /// The packet goes where it cannot be followed: what reads like a field counts anywhere.
    pub(super) fn anywhere(&mut self) {
        for at in 0..self.tokens.len() {
            self.any_layer(at);
        }
        for at in 0..self.tokens.len() {
            self.any_chain(at);
        }
        // By another name it is the packet's only where the text has the word.
        self.reads.flow |= self.tokens.iter().any(|token| token.name() == Some(flow::NAME));
    }

    /// Any layer read off something that may be the packet by another name.
    fn any_layer(&mut self, at: usize) {
        let token = &self.tokens[at];
        if token.shape != Shape::Word
            || is_dotted(self.tokens, at)
            || self.names.contains(&token.text)
        {
            return;
        }
        let first = self.chain(at).first().copied();
        if let Some((layer, _)) = LAYERS.iter().find(|(layer, _)| Some(*layer) == first) {
            self.reads.layer(layer);
        }
    }

    /// Any chain of names that would be a field if its head were a packet or a layer.
    fn any_chain(&mut self, at: usize) {
        let token = &self.tokens[at];
        if token.shape != Shape::Word || is_dotted(self.tokens, at) {
            return;
        }
        let chain = self.chain(at);
        let longest = |head: &str| {
            (1..=chain.len()).rev().find_map(|len| {
                Field::named(format!("{head}{}", chain[..len].join(".")).trim_start_matches('.'))
            })
        };
        let heads = self.reads.layers.iter().map(|layer| format!("{layer}."));
        let named = LAYERS.iter().find(|(layer, _)| *layer == token.text);
        let heads = heads.chain(named.map(|(layer, _)| format!("{layer}.")));
        let found: Vec<Field> =
            heads.chain([String::new()]).filter_map(|head| longest(&head)).collect();
        for field in found {
            if field.kind() != Kind::Bytes {
                self.reads.field(field);
            }
        }
    }
}
