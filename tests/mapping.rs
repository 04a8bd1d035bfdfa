//! The mapping, case by case.
