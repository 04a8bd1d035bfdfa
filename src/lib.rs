//! The JumpCloud source plugin.
