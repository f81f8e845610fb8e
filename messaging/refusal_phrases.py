"""The phrases by which refusals are known, in English; those of refusal_languages are among them. Tables only.

The statements are written by meaning: a thing (mailbox, user, domain, our address …) and what is said about it. They
are tried in a fixed order, from the circumstance that explains the refusal best to the most general one: a server that
writes "user unknown" because its mailbox is full means the full mailbox. All gaps are bounded, so that no text makes a
search slow.
"""

import enum

from messaging.refusal_languages import saying


class Meaning(enum.Enum):
    """What a refusal says, whatever its codes."""

    MAILBOX_FULL = enum.auto()
    GREYLISTED = enum.auto()
    AUTHENTICATION = enum.auto()
    SENDER = enum.auto()
    RELAYING = enum.auto()
    REPUTATION = enum.auto()
    RATE = enum.auto()
    DISABLED = enum.auto()
    TOO_LARGE = enum.auto()
    UNSUPPORTED = enum.auto()
    MOVED = enum.auto()
    UNKNOWN_USER = enum.auto()
    UNKNOWN_HOST = enum.auto()
    NO_MAIL_HERE = enum.auto()
    # Words that servers also use for want of better ones: filters answer so, and Sendmail adds them to every 550.
    PERHAPS_UNKNOWN_USER = enum.auto()
    CONTENT = enum.auto()
    POLICY = enum.auto()
    # "Rejected", by whom and why ever.
    REJECTED = enum.auto()
    EXPIRED = enum.auto()
    UNREACHABLE = enum.auto()


# The ones that condemn an address; only a plain statement counts, not a "may" or an "if".
CONDEMNING = frozenset(
    {
        Meaning.MOVED,
        Meaning.UNKNOWN_USER,
        Meaning.UNKNOWN_HOST,
        Meaning.NO_MAIL_HERE,
        Meaning.PERHAPS_UNKNOWN_USER,
    }
)
_PERSON = (
    r"(?:user|recipient|mail ?box|account|address|add?ressee|e-?mail|destination|customer|subscribers?|alias|member)"
)
_BOX = r"(?:mail ?box|account|in-?box|mail ?drop|mail ?folder|mail ?dir|mail storage)"
_SPAM = r"spam|junk ?mail|unsolicited|bulk mail|phish|virus|malware|trojan|infected|\bworm\b"

PHRASES: tuple[tuple[Meaning, tuple[str, ...]], ...] = (
    (
        Meaning.MAILBOX_FULL,
        (
            rf"{_BOX}[^.;]{{0,40}}\b(?:full|over ?quota|over (?:the|its) |too large|size limit exceeded"
            rf"|limit exceeded)",
            rf"\bfull {_BOX}|\bover ?-?(?:the |its |their |his )?(?:allowed |disk |storage |mail )?quota|out of quota",
            r"(?<!sending )(?<!relay )(?<!rate )quota[^.;]{0,30}(?:exceed|full|exhaust|reached|violat|would be)",
            r"exceed\w{0,12}[^.;]{0,30}(?:mail ?box|storage|disk|user'?s?|recipient'?s?) ?(?:quota|limit|space"
            r"|allow\w{1,12}|alloc\w{1,12})",
            r"(?:exceed\w{0,12}|reached|over)[^.;]{0,20}(?<!sending )(?<!relay )(?<!rate )(?<!message )\bquota\b",
            r"(?:mail ?|in-?)box[^.;]{0,30} exceed",
            r"disk quota|out of storage|storage (?:limit|space|quota|allocation)[^.;]{0,20}(?:exceed|full|reached)",
            rf"(?:insufficient|not enough|no more|no) (?:disk |free |storage )?space[^.;]{{0,20}}(?:{_BOX}|user"
            rf"|recipient)",
            rf"{_BOX}[^.;]{{0,20}}(?:insufficient|not enough|no) (?:disk |storage )?space|space not enough",
            *saying("box", "full"),
        ),
    ),
    (
        Meaning.GREYLISTED,
        (
            r"gr[ae]y ?-?list|postgrey|(?:try|retry|come back|resend)[^.;]{0,20} (?:in|after) \d+ ?(?:s|min|h)",
            r"milter-greylist",
        ),
    ),
    (
        Meaning.AUTHENTICATION,
        (
            r"\bdmarc\b|\bspf\b|\bdkim\b|unauthenticated|not authenticated|sender policy framework|sender ?id\b",
            r"authentication (?:is )?(?:required|failed|credentials|information|checks|results)",
            r"(?:must|need to|have to) log ?in\b|must authenticate",
            r"starttls (?:command )?first|(?:requires?|without) tls",
            r"reverse[ -](?:dns|host|lookup|mapping|record|resol)|\br-?dns\b|\bptr\b",
            r"(?:no|missing|bad|invalid) reverse",
            r"cannot find your (?:host|reverse)|forward[ -]confirmed|without (?:a )?valid (?:sender domain|dns)",
            r"fix (?:your )?dns",
        ),
    ),
    (
        Meaning.SENDER,
        (
            r"sender(?:'s)? (?:e-?mail |mail |envelope )?(?:address|domain|id|account)?[^.;]{0,40}(?:rejected"
            r"|denied|refused|invalid|not allowed|blocked|exist|verif|unknown|not found|resolve|not accepted)",
            r"(?:bad|invalid|unknown|unverified|illegal|malformed|forged|blocked"
            r"|unresolvable) (?:envelope )?sender",
            r"domain of sender",
            r"mail from[^.;]{0,60}(?:rejected|refused|denied|not allowed|not accepted|invalid|exist)",
            r"(?:verif\w{1,12}|callout)[^.;]{0,20}(?:failed|for) ?[^.;]{0,20}sender",
            r"(?:envelope|return)[ -]?(?:from|path|address)|originator|reject\w{0,12} sender|sender[^.;]{0,30}nxdomain",
            r"(?:addresses|invalid|missing|no) [^.;]{0,20}from:? header|from address",
            r"your (?:sender |e-?mail )?(?:domain|address|account)[^.;]{0,30}(?:blocked|suspended|rejected"
            r"|exist|disabled|not allowed|refused|banned)",
            r"(?:absender|exp[ée]diteur|remitente|mittente|remetente|отправител)\w{0,12}[^.;]{0,40}(?:abgelehnt"
            r"|refus|rechaz|rifiut|rejeit|отклон|запрещ)",
            *saying("sender", "missing"),
        ),
    ),
    (
        Meaning.RELAYING,
        (
            r"relay(?:ing)? (?:access |of mail |operation )?(?:is )?(?:denied|not (?:permitted|allowed)"
            r"|prohibited|rejected|refused|forbidden)",
            r"(?:unable|not permitted|not allowed|refus\w{1,12}|cannot|can't|do not|don't|no) (?:to )?relay(?:ing)?\b",
            r"relay(?:ing)? (?:access )?to [^.;]{0,40}(?:denied|refused|prohibited)",
            r"rcpthosts|not a gateway|isn't (?:in|allowed)[^.;]{0,20}relay",
        ),
    ),
    (
        Meaning.RATE,
        (
            r"too many (?:concurrent |simultaneous |invalid |different )?(?:connection|message|recipient|error"
            r"|session|mail|e-?mail|smtp|attempt|rcpt|command|unknown|bad)",
            r"rate[ -]?(?:limit|control)|throttl|(?:unusual|high|excessive) (?:rate|volume|number)",
            r"unexpected volume|slow(?:ing)? down",
            r"(?:rate|frequency|volume|sending|hourly|daily)[^.;]{0,20}(?:limit|exceed|too high|quota)",
            r"(?:limit|max\w{0,12})[^.;]{0,30}(?:per|an?) (?:hour|minute|day|connection)",
            r"receiving mail (?:at|too)|frequency limited",
            r"(?:connection|message|recipient)s? (?:limit|count|rate)[^.;]{0,20}(?:exceed|reached|too)",
            r"exceed\w{0,12}[^.;]{0,30}(?:connection|messages|rate|hourly|daily|recipients)",
        ),
    ),
    (
        Meaning.REPUTATION,
        (
            r"bla[ck]{2}[ -]?list|block[ -]?list|deny ?list|\brbls?\b|dnsbl|spamhaus|spamcop|\bsorbs\b|uribl",
            r"surbl|reputation|senderbase|senderscore",
            r"blocked (?:using|by|for)|client host[^.;]{0,30}(?:rejected|blocked|denied)",
            r"\b(?:helo|ehlo)\b(?: command| name)?:? (?:was )?(?:invalid|rejected|unknown|denied|not|bad)",
            r"(?:invalid|bad|illegal|unknown|unresolvable) (?:helo|ehlo)\b|(?:from|by) (?:an |any )?unknown host",
            r"\bbanned\b",
            r"\bip\b(?: address)?[^.;]{0,40}(?:block|banned|denied|reject|listed|refus|prohibit|unauthori"
            r"|not allowed|not accepted)",
            r"invalid ip",
            r"your (?:ip|host|country|server|network|isp|system|mail server|connection)\b[^.;]{0,60}(?:block|denied"
            r"|reject|refus|not allowed|listed)",
            r"(?:connections?|messages|mails?) (?:not accepted|refused|rejected|denied|blocked)? ?from (?:your"
            r"|this|the) (?:ip|host|server|network|address range|domain)",
            r"adresse ip[^.;]{0,30}bloqu|ip-?adresse[^.;]{0,30}gesperrt",
            r"block(?:ed)? (?:for|due to) (?:spam|abuse)|complaints",
        ),
    ),
    (
        Meaning.DISABLED,
        (
            rf"(?:{_PERSON}|mailbox)\b[^.;]{{0,40}}\b(?:disabled|deactivated|de-activated|suspended|inactive"
            rf"|frozen|discontinued|terminated|not active|not activated|not enabled|locked|dormant)\b",
            r"\b(?:disabled|deactivated|suspended|inactive|frozen|locked|closed|dormant|expired"
            r"|deleted or disabled) (?:e-?mail |user'?s? |recipient'?s? )?(?:account|mail ?box|user|recipient"
            r"|address)",
            r"(?:account|mail ?box)[^.;]{0,20} (?:is |was |has |been |temporarily |currently ){1,3}(?:blocked"
            r"|closed|expired|on hold|archived|unavailable due|barred|restricted)",
            r"(?:account|mail ?box|user) (?:has |is )?(?:not paid|unpaid|past due|under maintenance)",
            r"disabled or discontinued|administrative(?:ly)? (?:status|disabled|blocked|locked)",
            *saying("box", "closed"),
        ),
    ),
    (
        Meaning.TOO_LARGE,
        (
            r"(?:message|mail|e-?mail|attachment|content|headers?|size|data)\b[^.;]{0,40}(?:too (?:big|large)"
            r"|larger than|exceeds?\b[^.;]{0,50}(?:size|limit|length|max))",
            r"exceeds?[^.;]{0,40}(?:message|fixed|maximum|allowed)[^.;]{0,20}(?:size|length|limit)",
            r"max\w{0,12} (?:message|mail|content) (?:size|length)|recipsizelimit|sizelimit",
            r"nachricht[^.;]{0,20}zu gro(?:ß|ss)|message trop (?:gros|volumineux|long)",
            r"mensaje[^.;]{0,20}(?:grande|tamaño)|邮件[^。]{0,6}(?:过大|太大)|サイズ[^。]{0,8}(?:超|大き)",
        ),
    ),
    (
        Meaning.UNSUPPORTED,
        (
            r"smtputf8|non-ascii (?:address|recipient|local)|utf-?8 (?:address|recipient|local)",
            r"internationali[sz]ed (?:mail|address|e-?mail)",
        ),
    ),
    (
        # What was found, before what a filter pretends besides: "spam detected, user unknown".
        Meaning.CONTENT,
        (
            rf"(?:{_SPAM})\w{{0,12}} (?:was |is )?(?:detected|found|suspected|rejected|refused)",
            rf"\b(?:as|likely|probably|for|be|contains?|possible|suspected|is) (?:a |an )?(?:{_SPAM})",
        ),
    ),
    (
        Meaning.MOVED,
        (
            rf"{_PERSON}\b[^.;]{{0,30}}(?:has moved|moved to|have moved|has left(?! (?:this|the|your) m)"
            rf"|has been moved|relocated|moved permanently)",
            rf"(?:{_PERSON}|employee|person|he|she|mailbox|list)\b[^.;]{{0,40}}no longer (?:on|with|at|in|works?"
            rf"|employed|exist|valid|used|here|a |accept|receiv|available|active|associated|registered)",
            r"user has moved|please (?:re)?try (?:sending to )?<?@|forward(?:ing)? address|address (?:has )?changed",
            r"n.est plus (?:valide|utilis)",
            r"(?:account|mail ?box|user) deleted",
            *saying("box", "gone"),
            rf"(?:{_PERSON}|mailbox)\b[^.;]{{0,30}}\b(?:been|was|is) (?:permanently )?(?:removed|deleted|retired"
            rf"|cancelled)",
            r"(?:recipient|user|employee|person|customer) (?:has )?(?:retired|resigned|departed|left)\b",
            r"nicht mehr (?:gültig|vorhanden|verfügbar|aktiv)",
        ),
    ),
    (
        Meaning.UNKNOWN_USER,
        (
            r"no such (?:local |virtual |e-?mail |mail |valid )?(?:user|recipient|mail ?box|account|address"
            r"|person|customer|alias|destination|e-?mail|member|subscribers?|name|id)\b",
            rf"(?:{_PERSON}|login|userid|mailbox)\b[^.;:]{{0,50}}(?:does ?n.t|does not|do ?n.t|do not|did ?n.t"
            rf"|did not|\bnot|never) (?:currently |even )?exist",
            rf"(?:{_PERSON}|login|userid|mailbox)\b[^.;:]{{0,40}}(?:n.t|\bnot|cannot|never) (?:be |been )?(?:a "
            rf"|an )?(?:currently )?(?:found|located|known|recogni[sz]ed|listed|registered|valid|defined|present"
            rf"|existing|local user)",
            r"\bnot (?:a |an |our )?(?:valid |known |existing |current )?(?:user|recipient|mail ?box|account"
            r"|customer|subscribers?|addressee|e-?mail address)\b",
            r"not listed in (?:domino|public|the )|nicht im (?:[\w-]{1,20}[ -])?verzeichnis",
            r"(?:unable to|could not|couldn.t|can.t|cannot|can not|failed to) (?:find|locate|resolve|look ?up"
            r"|identify) (?:the |a |this |local |that )?(?:user|recipient|mail ?box|account|address(?! of))",
            r"unknown (?:local |virtual )?(?:recipient(?! or )|mail ?box|account|addressee|destination|e-?mail"
            r"|local[ -]part|alias|customer|login)",
            r"unknown or (?:illegal|invalid) (?:alias|user|address)",
            r"\b(?:recipient|mail ?box|account|addressee|destination|e-?mail address"
            r"|alias)s? (?:address )?(?:is |was )?(?:unknown|nonexist|non-exist|invalid)\b",
            r"invalid (?:recipient(?! head)|mail ?box|user ?id|user\b|destination|local[ -]?part|final delivery"
            r"|delivery address|addressee|e-?mail account|account)",
            r"illegal (?:recipient|user|alias|mailbox)",
            r"(?:n't|not) exists? (?:that |such |this )(?:user|mail ?box|recipient|account)|user ?name (?:is )?unknown",
            r"no (?:valid |user |such )?(?:mail ?box|mail ?drop|account|user|one|person)s? (?:here|by|with|named|at"
            r"|exists?|found|matching|defined)",
            rf"(?:{_PERSON}|mailbox) (?:is |was )?(?:not|does not receive mail|doesn't receive mail) (?:known )?(?:here"
            rf"|(?:on|in|at) (?:this|our|the|that) (?:server|system|host|machine|site|domain))",
            r"(?:do not|don't|doesn't|does not) have (?:a |any )?such (?:a )?(?:user|mail ?box|account|recipient"
            r"|address)",
            r"nobody (?:here |at |by |with )|undefined (?:mail ?drop|mail ?box|user)",
            r"@ is (?:not|no longer) hosted|no such local[ -]?part|rcpt \W*@?\W* unknown",
            r"there is no (?:user|one|mail ?box|account|such|e-?mail)",
            r"(?:does ?n.t|does not|do not|don.t) have (?:a|an|any|this)\b[^;]{0,40}(?:account|mail ?box|user"
            r"|address)",
            r"recip(?:ient)?notfound|user ?notfound|no (?:such )?(?:user )?record|cuda_nsu"
            r"|(?:user|mail ?box) not local|unknown (?:local|virtual|domain) user",
            r"non-?exist[ae]nt (?:e-?mail |mail |local )?(?:user|address|mail ?box|recipient|account)",
            r"bad destination mail ?box|undeliverable address|^\W*does not exist",
            rf"{_PERSON} (?:no longer has|has no)\b[^.;]{{0,15}} account",
            r"not (?:in|known to) (?:our |the |this )?(?:directory|system|ldap)",
            *saying("recipient", "missing"),
        ),
    ),
    (
        Meaning.UNKNOWN_HOST,
        (
            r"(?:host|domain)(?: name)?s? (?:is |was )?(?:unknown|invalid)\b|unknown (?:mail )?(?:host|domain)",
            r"domain\b[^;]{0,20} (?:not|no longer) (?:hosted|local|handled)",
            r"no such (?:host|domain)|nxdomain|non-?exist[ae]nt (?:host|domain)",
            r"(?:host|domain)\b[^;:()]{0,80}?(?:does ?n.t|does not|do not|could not be|cannot be|can.t be"
            r"|was not|not|n.t) (?:be )?(?:exist|found|resolved)",
            r"unrout(?:e?able|eable) (?:mail )?(?:domain|address|host)|(?:invalid|illegal|bad) (?:host|domain)",
            r"bad destination (?:system|host)|name or service not known",
            r"(?:could ?n.t|could not|cannot|can.t|unable to) find (?:any |a |an |the )?(?:host|mail exchanger"
            r"|mail server|mx|domain|route to (?:host|domain)|valid mx)",
            r"no (?:route|mail server|mx)[^.;]{0,20} (?:for|found|to) [^.;]{0,20}domain|no mx or a records? for",
            r"unresolvable (?:domain|host)|(?:cannot|can't|unable to|failed to) resolve [^.;]{0,20}(?:domain|host)",
            r"all relevant mx records point to non-?exist",
            r"(?:mx|name) [^.;]{0,30}(?:points? to|resolves? to) (?:localhost|127|an? (?:invalid|non))",
            *saying("domain", "missing"),
        ),
    ),
    (
        Meaning.NO_MAIL_HERE,
        (
            r"(?:host|domain|system|site|machine)\b[^;:]{0,60}(?:does ?n.t|does not|do not|never|will not"
            r"|not) accept(?:s|ing)? (?:any |network |incoming |inbound |e-)?(?:mail|e-?mail"
            r"|messages)\b(?! (?:from|with|at this|right|until|during|while))",
            r"null ?-?mx\b|nullmx|no smtp service(?: here)?\W*$|indicated no smtp service",
            r"no mx (?:record )?(?:found )?for domain|does not (?:accept|receive) (?:any )?e?-?mail\W*$",
        ),
    ),
    (
        Meaning.PERHAPS_UNKNOWN_USER,
        (
            r"user(?:[ _]| is )unknown|unknown[ _]user|user unkown|unknown address|address (?:is )?unknown",
            r"invalid address|bad (?:e-?mail )?address",
            r"mail ?box (?:is )?(?:currently |temporarily )?(?:unavailable(?! or access)|not available)",
            r"(?:recipient|address|rcpt)(?: address)? (?:was )?(?:rejected|refused)[\W\d]*$|not a valid address",
            r"invalid e-?mail|user (?:is )?invalid|unavailable mail user|add?ressee unknown",
        ),
    ),
    (
        Meaning.CONTENT,
        (
            rf"{_SPAM}|content|attachment|header error|suspicious|dangerous|malicious|profan|executable|urls?\b",
            r"links?\b[^.;]{0,20}(?:block|reject)",
            r"(?<!/)rfc ?-?(?:2?822|5322)(?! ?;)|not compliant|malformed (?:message|header|mime)|bare lf",
            r"duplicate header",
            r"virenverdacht|werbung|courrier ind[ée]sirable|спам|迷惑メール|垃圾",
        ),
    ),
    (
        Meaning.POLICY,
        (
            r"polic(?:y|ies)|administrative|prohibit|\bfilter|violat|unauthori[sz]ed",
            r"not (?:allowed|permitted|authori[sz]ed)",
            r"restrict|permission|access denied|forbidden|security|blocked|banned|запрещен",
            r"(?:message|mail|e-?mail|transaction)\b[^.;]{0,30}(?:rejected|refused|declined|not accepted"
            r"|discarded)",
            r"mail ?rejete",
        ),
    ),
    (
        Meaning.REJECTED,
        (
            r"reject|(?<!connection )(?<!actively )refus|denied|declined",
            r"abgelehnt|rechazad|rifiutat|отклонен|拒否|拒绝|拒絕",
        ),
    ),
    (
        Meaning.EXPIRED,
        (
            r"expired|in (?:the )?queue too long|message (?:is )?too old|retry time ?out|still undelivered",
            r"not delivered (?:for|after|within)|could not (?:be )?deliver(?:ed)? (?:for|after|within)",
            r"retry time|(?:failed|tried|gave up|giving up)[^.;]{0,20} \d+ (?:attempts|times|hours|days)",
            r"deliver(?:y|ed)? (?:time|attempts)|deferred",
        ),
    ),
    (
        Meaning.UNREACHABLE,
        (
            r"connect|network|no route|unreachable|not reachable|not respond|no answer|time[ds]? ?-?out|dns",
            r"name ?server|lookup|loop|hops?\b|tls|ssl|handshake|socket|tcp|unable to contact|routing",
            r"try (?:again|later)|temporar|system (?:error|problem|failure)|internal error|insufficient",
            r"out of (?:memory|disk)|resources|unavailable|overload|busy|local error|i/o error",
        ),
    ),
)
