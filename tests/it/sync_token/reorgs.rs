//! Chains that change: dropped, moved and replaced transfers, at every depth up to finality, and
//! walks that end at any step of it.
