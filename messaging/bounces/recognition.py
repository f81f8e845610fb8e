"""Whether a mail that isn't a report in form tells of a failure: who wrote it, and in which words."""

import re
from typing import NamedTuple

from messaging import refusal_words
from messaging.bounces import parsing, texts
from messaging.bounces.parsing import Mail

_SYSTEM_NAME = re.compile(
    r"mail(?:er)?[ -]?(?:daemon|delivery|deliver|admin|system)|postmaster|system administrator",
    re.IGNORECASE,
)
_FORWARDED = re.compile(r"^\W*(?:fwd?|re|tr|wg|aw|rv|i)\s*:", re.IGNORECASE)
_FAILURE = re.compile(
    r"undeliver|(?:not|n't|never) (?:be )?(?:delivered|sent|relayed)"
    r"|deliver\w{0,8} (?:\w{1,20} ){0,3}(?:fail|error|problem|status)"
    r"|fail\w{0,8}(?: permanently)? (?:to|in) (?:deliver|send)"
    r"|unable to (?:deliver|send)|failure notice|notice ?: ?failure|returned mail"
    r"|return(?:ed|ing)(?: mail| message)? to sender|mail (?:delivery|failure|system error)"
    r"|delivery (?:to|of|has)\b[^.\n]{0,60}fail"
    r"|did not reach|permanent(?:ly)? (?:fatal )?(?:error|fail)|non-?delivery"
    r"|could not (?:be )?(?:deliver|send|sent|relay)|cannot be delivered"
    r"|(?:error|trouble|problem)s? (?:sending|delivering)|delivery problems|bounced? (?:mail|message)"
    r"|\bfailed mail\b|\bmail failed\b"
    r"|invalid final delivery|failed addresses|following addresses? (?:had|failed)|malformed recipient"
    r"|rejected your message",
    re.IGNORECASE,
)
# Without accents, as the text is read.
_FAILURE_ABROAD = re.compile(
    r"unzustellbar|nicht (?:\w+ )?(?:zugestellt|ubermittelt|ausgeliefert|zustellen)|zustellung[^.\n]{0,40}fehl"
    r"|fehler bei der nachrichtenzustellung|non (?:remis|distribu|delivr)"
    r"|pu etre (?:remis|distribu|delivr|envoy|livr|achemin)|echec (?:de la (?:remise|distribution)|d.envoi)"
    r"|no se (?:ha )?(?:pudo|podido|puede) (?:ser )?entreg|no (?:pudo|ha podido) (?:ser )?entreg|no entregad"
    r"|error en la entrega"
    r"|non (?:e stato )?(?:possibile |puo essere )?(?:recapit|consegn)|mancat[ao] (?:recapito|consegna)"
    r"|nao (?:foi |pode )[^.\n]{0,20}entreg|nao entreg|falha na entrega"
    r"|niet (?:worden )?(?:bezorgd|afgeleverd)|onbestelbaar"
    r"|nie (?:zosta[lł]a |mog[lł]a by[cć] |mozna )?[^.\n]{0,20}dor[eę]cz|nie (?:zosta[lł]a )?dostarcz|niedor[eę]cz"
    r"|nedoru[cč]|(?:inte|ikke) [^.\n]{0,15}(?:levereras|leveres|leveret)|ej levererat"
    r"|ei voitu toimittaa|kezbesithetetlen|teslim edilemedi|iletilemedi|nu a putut fi livrat"
    r"|не (?:может быть |было |удалось )?(?:доставлен|доставить|отправлен)|недоставлен|недоставка"
    r"|не доставлено|невозможно доставить|не вдалося доставити"
    r"|未送达|无法(?:投递|送达|发送)|退信|退回|投递失败|發送失敗|无法发送|無法(?:傳遞|送達|投遞)|未能送達|寄送失敗"
    r"|(?:配信|送信|配送|配達|お届け)[^。\n]{0,8}(?:でき|不能|失敗|されませ)|届けられ|届きませ|不達|반송|전송되지"
    r"|(?:전송|배달|발송) ?(?:실패|불가)|(?:전송|배달|발송)하지 못|gagal (?:di)?kirim",
    re.IGNORECASE,
)
# Systems that know their own mailboxes and say why in their own words, without a code.
_SPEAKS_ITSELF = re.compile(
    r"following address(?:\(es\)|es)? failed"  # Exim, GMX
    r"|permanent error; i've given up|this is the (?:qmail|mailer-daemon|dragonfly|postfix program|mail system at)"
    r"|failed addresses follow:"  # Smail
    r"|listed in (?:the )?(?:domino|public name|lotus)"
    r"|\bmodule\b[^\n]{0,80} reports:"  # CommuniGate, Kerio
    r"|recipient address:[^\n]{0,300}\n[^@]{0,20}(?:original address:[^\n]{0,300}\n\s*)?reason:"  # iPlanet
    r"|that you sent was undeliverable to the following"  # GroupWise
    r"|^(?:user unknown|unknown user|invalid final delivery userid): \S"  # IMail
    r"|at the organization this message was sent to|recipient's e-?mail system"  # Exchange
    r"|^\s*as their mail ?box\b",  # au by KDDI
    re.IGNORECASE | re.MULTILINE,
)
_REFUSES_RECIPIENTS = re.compile(r"\brecipients? (?:was|were) rejected by a remote", re.IGNORECASE)
_ANSWER = re.compile(r"^\W{0,6}(?:421|45\d|50[0-4]|5[1-7]\d)[ -]", re.MULTILINE)
_DELAY = re.compile(
    r"has not yet been delivered|not been delivered yet|delivery attempts will continue"
    r"|will (?:keep|continue) (?:trying|to try)|still undelivered|could not send message for past"
    r"|warning message only"
    r"|delivery (?:is |has been |incomplete|temporarily)[^.\n]{0,20}(?:delayed|incomplete|suspended)"
    r"|message (?:is |has been )?delayed|temporary failure report|will be retried|\bdelayed mail\b",
    re.IGNORECASE,
)


class Teller(NamedTuple):
    """`speaks_itself`: the reasons are those of the system that writes, where they aren't another server's answer;
    `refuses_recipients`: it says of all that another server refused them, not the message.
    """

    speaks_itself: bool
    refuses_recipients: bool


def may_report(mail: Mail) -> bool:
    """Whether fields of a delivery report count in this mail: not in one that somebody forwards."""
    if is_from_system(mail):
        return True
    return mail.content_type == "multipart/report" and not _FORWARDED.match(mail.header("Subject"))


def is_from_system(mail: Mail) -> bool:
    """Whether a mail system wrote the mail, by its name or by what only such systems set."""
    sender = mail.header("From")
    if mail.header("X-Failed-Recipients") or sender in ("", "<>") or _SYSTEM_NAME.search(sender):
        return True
    return any(texts.is_role(address) for address in parsing.addresses_in(sender))


def is_bounce(mail: Mail, notice: str, *, has_original: bool) -> bool:
    """Whether the mail's text says that something was not delivered. An empty return path alone proves little, as
    automatic replies have it too: then the subject has to say so as well. And a name alone is soon assumed: with
    somebody's return path, there has to be a server's answer or the returned message.
    """
    subject = mail.header("Subject")
    is_told = _tells_failure(notice) or bool(_ANSWER.search(notice))
    path = str(mail.headers.get("Return-Path", ""))
    returns_to = parsing.addresses_in(path)
    if not is_from_system(mail):
        return bool(path) and not returns_to and is_told and _tells_failure(subject)
    if returns_to and not any(texts.is_role(address) for address in returns_to):
        return is_told and (has_original or bool(texts.code_in(notice)))
    return is_told or _tells_failure(subject) or bool(_DELAY.search(subject))


def _tells_failure(text: str) -> bool:
    return bool(_FAILURE.search(text)) or _tells_failure_abroad(text)


def _tells_failure_abroad(text: str) -> bool:
    return bool(_FAILURE_ABROAD.search(refusal_words.folded(text.casefold())))


def teller(notice: str) -> Teller:
    """Who tells the reasons in the text of a bounce. That it is the writing system itself is known by what that is, or
    by its writing in its user's language.
    """
    return Teller(
        speaks_itself=bool(_SPEAKS_ITSELF.search(notice)) or _tells_failure_abroad(notice),
        refuses_recipients=bool(_REFUSES_RECIPIENTS.search(notice)),
    )


def is_of_delay(mail: Mail, notice: str) -> bool:
    """Whether a bounce in prose says that the message is still tried."""
    return bool(_DELAY.search(f"{mail.header('Subject')}\n{notice}"))
