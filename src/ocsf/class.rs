//! The two classes of events, and the enumerations that every event has.

macro_rules! classes {
    ($($(#[$doc:meta])* $class:ident = $uid:literal $caption:literal $file:literal {
        $($activity:ident = $id:literal $word:literal,)*
    })*) => {
        /// A class of events of OCSF's category Identity & Access Management (3).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Class { $($(#[$doc])* $class),* }

        /// What happened in an event, within its class: every one that we emit.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Activity { $($(#[doc = concat!($caption, ": ", $word)] $activity,)*)* }

        impl Class {
            /// The class's number in OCSF.
            pub const fn uid(self) -> u32 {
                match self { $(Self::$class => $uid),* }
            }

            /// The class's name in OCSF.
            pub const fn caption(self) -> &'static str {
                match self { $(Self::$class => $caption),* }
            }

            /// The class's name in the schema's files, fit for names of files.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$class => $file),* }
            }

            /// The activities of this class that we emit.
            pub const fn activities(self) -> &'static [Activity] {
                match self { $(Self::$class => &[$(Activity::$activity),*]),* }
            }
        }

        impl Activity {
            /// The class that it belongs to.
            pub const fn class(self) -> Class {
                match self { $($(Self::$activity)|* => Class::$class),* }
            }

            /// Its number within the class.
            pub const fn id(self) -> u32 {
                match self { $($(Self::$activity => $id,)*)* }
            }

            /// Its name in OCSF.
            pub const fn caption(self) -> &'static str {
                match self { $($(Self::$activity => $word,)*)* }
            }

            /// Its name with that of the class.
            pub const fn type_name(self) -> &'static str {
                match self { $($(Self::$activity => concat!($caption, ": ", $word),)*)* }
            }

            /// Its number over all classes.
            pub const fn type_uid(self) -> u32 {
                self.class().uid() * 100 + self.id()
            }
        }
    };
}

classes! {
    /// Someone tried to authenticate: feed type `login`.
    Authentication = 3002 "Authentication" "authentication" {
        Logon = 1 "Logon",
        Preauth = 6 "Preauth",
    }
    /// An account was changed, or was told to be: feed type `admin`.
    AccountChange = 3001 "Account Change" "account_change" {
        Create = 1 "Create",
        Enable = 2 "Enable",
        PasswordChange = 3 "Password Change",
        PasswordReset = 4 "Password Reset",
        Disable = 5 "Disable",
        Delete = 6 "Delete",
        AttachPolicy = 7 "Attach Policy",
        DetachPolicy = 8 "Detach Policy",
        Lock = 9 "Lock",
        MfaFactorEnable = 10 "MFA Factor Enable",
        MfaFactorDisable = 11 "MFA Factor Disable",
        Unlock = 12 "Unlock",
        Other = 99 "Other",
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Unknown = 0,
    Success = 1,
    Failure = 2,
    /// OCSF's Other: a step of an authentication that asks for another factor.
    Challenge = 99,
}

impl Status {
    pub(crate) const fn caption(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Success => "Success",
            Self::Failure => "Failure",
            Self::Challenge => "Challenge",
        }
    }
}

/// How much attention it deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Informational = 1,
    /// "The user decides if action is needed."
    Low = 2,
}

impl Severity {
    pub(crate) const fn caption(self) -> &'static str {
        match self {
            Self::Informational => "Informational",
            Self::Low => "Low",
        }
    }
}
