//! The kinds of channels, and what each is to be told.

use super::OpenChannelError;

/// Is a kind of channel.
#[derive(Debug)]
pub(crate) struct ChannelKind {
    /// Its word, as in `email`.
    pub(crate) word: &'static str,
    /// What people call it.
    pub(crate) name: &'static str,
    /// What there is to know about it, for people.
    pub(crate) sentence: &'static str,
    /// What it is to be told.
    pub(crate) settings: &'static [ChannelSetting],
}

/// Is one setting of a kind of channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChannelSetting {
    /// Its name, as in `url`.
    pub(crate) name: &'static str,
    /// What a form calls it.
    pub(crate) label: &'static str,
    /// Whether nobody may see it again.
    pub(crate) secret: bool,
    /// Whether it says where secrets are sent, or on whose word that is the right place.
    pub(crate) leads: bool,
    /// Whether it must be given.
    pub(crate) need: Need,
    /// What it may be.
    pub(crate) choice: Choice,
    /// What it is, for people.
    pub(crate) sentence: &'static str,
}

/// Says whether a setting must be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It must.
    Required,
    /// Nothing takes its place if it is not given.
    Optional,
    /// This takes its place if it is not given.
    Default(&'static str),
}

/// Says what a setting may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// One line of text.
    Line,
    /// Several lines of text.
    Lines,
    /// One of these words.
    Of(&'static [&'static str]),
}

/// All kinds.
pub(crate) fn kinds() -> &'static [ChannelKind] {
    KINDS
}

/// The kind of that word.
pub(crate) fn find(word: &str) -> Result<&'static ChannelKind, OpenChannelError> {
    KINDS.iter().find(|kind| kind.word == word).ok_or_else(|| OpenChannelError::UnknownKind {
        kind: word.to_owned(),
        known: KINDS.iter().map(|kind| kind.word).collect::<Vec<_>>().join(", "),
    })
}

impl ChannelKind {
    /// All its settings, listed for people.
    pub(super) fn known_settings(&self) -> String {
        self.settings.iter().map(|setting| setting.name).collect::<Vec<_>>().join(", ")
    }
}

/// Settings as the catalogue writes them down.
impl ChannelSetting {
    const fn plain(name: &'static str, label: &'static str, sentence: &'static str) -> Self {
        Self { name, label, secret: false, leads: false, need: Need::Required, choice: Choice::Line, sentence }
    }

    const fn secret(name: &'static str, label: &'static str, sentence: &'static str) -> Self {
        Self { secret: true, ..Self::plain(name, label, sentence) }
    }

    const fn optional(self) -> Self {
        Self { need: Need::Optional, ..self }
    }

    const fn or(self, default: &'static str) -> Self {
        Self { need: Need::Default(default), ..self }
    }

    const fn leads(self) -> Self {
        Self { leads: true, ..self }
    }

    const fn choice(self, choice: Choice) -> Self {
        Self { choice, ..self }
    }
}

const AUTHORITY: ChannelSetting = ChannelSetting::plain(
    "authority",
    "Authority",
    "Certificate of the authority that vouches for the other side, in PEM; without it, those of the machine do.",
)
.optional()
.leads()
.choice(Choice::Lines);

const PLAIN_HTTP: ChannelSetting = ChannelSetting::plain(
    "plain_http",
    "Plain http",
    "private lets http:// URLs of this machine and of private networks be used; everybody on the way reads along.",
)
.or("refused")
.leads()
.choice(Choice::Of(&["refused", "private"]));

const KINDS: &[ChannelKind] = &[
    ChannelKind {
        word: "email",
        name: "E-mail",
        sentence: "Mail through an SMTP server.",
        settings: &[
            ChannelSetting::plain("server", "SMTP server", "HOST or HOST:PORT of the mail server.").leads(),
            ChannelSetting::plain(
                "security",
                "Security",
                "starttls (port 587), tls (port 465), or none (port 25), which is for this machine alone.",
            )
            .or("starttls")
            .leads()
            .choice(Choice::Of(&["starttls", "tls", "none"])),
            ChannelSetting::plain("from", "From", "Address of the sender, as in portward@shop.example."),
            ChannelSetting::plain("to", "To", "Addresses of those who get it, with commas between them."),
            ChannelSetting::plain("user", "User name", "Name to sign in with at the mail server.").optional(),
            ChannelSetting::secret("password", "Password", "Password of that user.").optional(),
            AUTHORITY,
        ],
    },
    ChannelKind {
        word: "webhook",
        name: "Webhook",
        sentence: "JSON to a program of yours, signed as Standard Webhooks says (HMAC-SHA256).",
        settings: &[
            ChannelSetting::secret("url", "URL", "Where the messages are posted.").leads(),
            ChannelSetting::secret(
                "secret",
                "Signing secret",
                "The key of the signature: whsec_ and base64, or any text.",
            ),
            PLAIN_HTTP,
            AUTHORITY,
        ],
    },
    ChannelKind {
        word: "slack",
        name: "Slack",
        sentence: "An incoming webhook of a Slack channel; Mattermost and Rocket.Chat take the same.",
        settings: &[
            ChannelSetting::secret("url", "Webhook URL", "As in https://hooks.slack.com/services/….").leads(),
            PLAIN_HTTP,
            AUTHORITY,
        ],
    },
    ChannelKind {
        word: "discord",
        name: "Discord",
        sentence: "A webhook of a Discord channel.",
        settings: &[
            ChannelSetting::secret("url", "Webhook URL", "As in https://discord.com/api/webhooks/….").leads(),
            PLAIN_HTTP,
            AUTHORITY,
        ],
    },
    ChannelKind {
        word: "teams",
        name: "Microsoft Teams",
        sentence: "A workflow of a Teams channel that starts when a webhook request is received.",
        settings: &[
            ChannelSetting::secret("url", "Webhook URL", "The URL that the workflow shows after it is saved.").leads(),
            PLAIN_HTTP,
            AUTHORITY,
        ],
    },
    ChannelKind {
        word: "ntfy",
        name: "ntfy",
        sentence: "A topic on ntfy.sh or on a server of your own.",
        settings: &[
            ChannelSetting::plain("server", "Server", "URL of the server.").or("https://ntfy.sh").leads(),
            ChannelSetting::secret("topic", "Topic", "Who knows the topic can read it, so it is kept as a secret."),
            ChannelSetting::secret("token", "Access token", "Token of a user who may write to the topic.").optional(),
            PLAIN_HTTP,
            AUTHORITY,
        ],
    },
    ChannelKind {
        word: "gotify",
        name: "Gotify",
        sentence: "An application on a Gotify server.",
        settings: &[
            ChannelSetting::plain("server", "Server", "URL of the server.").leads(),
            ChannelSetting::secret("token", "Application token", "Token of the application."),
            PLAIN_HTTP,
            AUTHORITY,
        ],
    },
    ChannelKind {
        word: "telegram",
        name: "Telegram",
        sentence: "A chat that a Telegram bot is in.",
        settings: &[
            ChannelSetting::secret("token", "Bot token", "As @BotFather gave it."),
            ChannelSetting::plain("chat", "Chat", "Number of the chat, or @NAME of a public channel."),
            ChannelSetting::plain("server", "Server", "URL of the Bot API server.")
                .or("https://api.telegram.org")
                .leads(),
            PLAIN_HTTP,
            AUTHORITY,
        ],
    },
];
