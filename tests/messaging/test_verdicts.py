"""What refusals mean: answers as the world's mail servers give them."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging import refusal_words, verdicts
from messaging.refusal_phrases import Meaning
from messaging.verdicts import Kind, Stage, Verdict

H, S, B, M = Kind.HARD, Kind.SOFT, Kind.BLOCKED, Kind.MESSAGE
USER, DOMAIN = verdicts.USER_UNKNOWN, verdicts.INVALID_DOMAIN
FULL, DISABLED = verdicts.MAILBOX_FULL, verdicts.ACCOUNT_DISABLED
AUTH, REFUSED, SENDER, RATE = verdicts.AUTHENTICATION, verdicts.REFUSED, verdicts.SENDER_REFUSED, verdicts.RATE_LIMITED
LARGE, CONTENT, GREY = verdicts.TOO_LARGE, verdicts.CONTENT, verdicts.GREYLISTED
DOWN, EXPIRED, UNCLEAR, UTF8 = (
    verdicts.UNREACHABLE,
    verdicts.EXPIRED,
    verdicts.UNDETERMINED,
    verdicts.UNSUPPORTED_ADDRESS,
)

# (kind, reason, code, text): the code as a handover has it, the text as the server wrote it.
REPLIES = [
    # Gmail and Google Workspace
    (H, USER, "550 5.1.1", "550-5.1.1 The email account that you tried to reach does not exist. Please try"),
    (S, DISABLED, "550 5.2.1", "550-5.2.1 The email account that you tried to reach is inactive. For more"),
    (S, FULL, "552 5.2.2", "552-5.2.2 The recipient's inbox is out of storage space and inactive. Please direct the"),
    (S, FULL, "452 4.2.2", "452-4.2.2 The email account that you tried to reach is over quota. Please direct the"),
    (B, RATE, "450 4.2.1", "450-4.2.1 The user you are trying to contact is receiving mail too quickly. Please"),
    (B, RATE, "421 4.7.28", "421-4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from"),
    (B, RATE, "421 4.7.28", ""),
    (B, AUTH, "550 5.7.26", "550-5.7.26 Your email has been blocked because the sender is unauthenticated. Gmail"),
    (B, AUTH, "550 5.7.26", ""),
    (B, AUTH, "421 4.7.26", "421-4.7.26 This mail has been rate limited because it is unauthenticated."),
    (B, AUTH, "550 5.7.25", "550-5.7.25 [192.0.2.1] The IP address sending this message does not have a PTR record"),
    (
        B,
        AUTH,
        "421 5.7.32",
        "421-5.7.32 Rate limited because the From: header isn't aligned with the authenticated SPF",
    ),
    (M, CONTENT, "552 5.7.0", "552-5.7.0 This message was blocked because its content presents a potential security"),
    (M, LARGE, "552 5.3.4", "552-5.3.4 Your message exceeded Google's message size limits."),
    (B, REFUSED, "550 5.7.1", "550-5.7.1 [192.0.2.1 12] Our system has detected that this message is likely"),
    # Outlook.com and Exchange Online
    (H, USER, "550 5.5.0", "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)."),
    (H, USER, "550 5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"),
    (H, USER, "550 5.1.1", "550 5.1.1 RESOLVER.ADR.RecipNotFound; not found"),
    (H, USER, "550 5.4.1", "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)"),
    (H, DOMAIN, "550 5.4.310", "550 5.4.310 DNS domain nosuch.example does not exist"),
    (B, AUTH, "550 5.7.515", "550 5.7.515 Access denied, sending domain EXAMPLE.COM doesn't meet the required"),
    (B, AUTH, "550 5.7.509", "550 5.7.509 Access denied, sending domain EXAMPLE.COM does not pass DMARC"),
    (B, REFUSED, "550 5.7.1", "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your"),
    (B, REFUSED, "550 5.7.606", "550 5.7.606 Access denied, banned sending IP [192.0.2.1]. To request removal from"),
    (B, RATE, "451 4.7.650", "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP"),
    (
        B,
        RATE,
        "451 4.7.500",
        "451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (AS843) too many messages",
    ),
    (B, REFUSED, "550 5.7.129", "550 5.7.129 RESOLVER.RST.RestrictedToRecipientsPermission; not authorized to send"),
    (S, FULL, "554 5.2.2", "554 5.2.2 mailbox full"),
    (M, LARGE, "550 5.2.3", "550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient"),
    (B, SENDER, "550 5.1.8", "550 5.1.8 Access denied, bad outbound sender"),
    (S, DOWN, "554 5.4.14", "554 5.4.14 Hop count exceeded - possible mail loop ATTR34"),
    (B, RATE, "452 4.5.3", "452 4.5.3 Too many recipients (AS780090)"),
    # Yahoo and AOL
    (H, USER, "554", "554 delivery error: dd This user doesn't have a yahoo.com account (somebody@yahoo.com) [0]"),
    (H, USER, "554", "554 delivery error: dd Not a valid recipient"),
    (S, FULL, "552", "552 1 Requested mail action aborted, mailbox not found or over quota: user is over the quota."),
    (
        S,
        DISABLED,
        "554",
        "554 delivery error: dd Sorry. This account has been disabled or discontinued [#102].",
    ),
    (B, REFUSED, "553 5.7.1", "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is"),
    (B, RATE, "421 4.7.0", "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume"),
    (B, REFUSED, "554 5.7.9", "554 5.7.9 Message not accepted for policy reasons. See"),
    # Apple
    (H, USER, "550 5.1.1", "550 5.1.1 <somebody@icloud.com>: user does not exist"),
    (H, DISABLED, "550 5.1.1", "550 5.1.1 <somebody@icloud.com>: inactive email address"),
    (S, FULL, "552 5.2.2", "552 5.2.2 <somebody@icloud.com>: user is over quota"),
    (B, REFUSED, "554 5.7.1", "554 5.7.1 [CS01] Message rejected due to local policy. Please visit"),
    # Postfix, Sendmail, Exim, qmail, Courier, OpenSMTPD and others as they come
    (H, USER, "550 5.1.1", "550 5.1.1 <somebody@example.com>: Recipient address rejected: User unknown in virtual"),
    (H, USER, "550 5.1.1", "550 5.1.1 <somebody@example.com>... User unknown"),
    (S, USER, "450 4.1.1", "450 4.1.1 <somebody@example.com>: Recipient address rejected: unverified address:"),
    (S, USER, "450", "450 <somebody@example.com>: Recipient address rejected: User unknown in local recipient table"),
    (S, GREY, "450 4.2.0", "450 4.2.0 <somebody@example.com>: Recipient address rejected: Greylisted, see"),
    (S, GREY, "450 4.7.1", "450 4.7.1 <somebody@example.com>: Recipient address rejected: Greylisting in effect"),
    (S, GREY, "451 4.7.1", "451 4.7.1 Please try again later"),
    (S, GREY, "451", "451 Temporarily greylisted. Please try again in 300 seconds"),
    (B, AUTH, "450 4.7.1", "450 4.7.1 Client host rejected: cannot find your hostname, [192.0.2.1]"),
    (B, SENDER, "450 4.1.8", "450 4.1.8 <news@example.org>: Sender address rejected: Domain not found"),
    (B, REFUSED, "554 5.7.1", "554 5.7.1 <somebody@example.com>: Relay access denied"),
    (B, REFUSED, "550 5.7.1", "550 5.7.1 <somebody@example.com>... Relaying denied. Proper authentication not"),
    (B, REFUSED, "554 5.7.1", "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using"),
    (H, DOMAIN, "550", "550 Unrouteable address"),
    (H, USER, "550", "550 No Such User Here"),
    (H, USER, "550", "550 sorry, no mailbox here by that name. (#5.1.1)"),
    (H, USER, "511", "511 sorry, no mailbox here by that name (#5.1.1 - chkuser)"),
    (B, REFUSED, "553", "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"),
    (S, FULL, "552", "552 sorry, that recipient's mailbox is full (#5.2.2)"),
    (S, FULL, "452 4.2.2", "452 4.2.2 Over quota"),
    (S, FULL, "552 5.2.2", "552 5.2.2 <somebody@example.com> Quota exceeded (mailbox for user is full)"),
    (H, USER, "550", "550 unknown user <somebody@example.com>"),
    (H, USER, "550 5.1.1", ""),
    (H, DOMAIN, "550 5.1.2", "550 5.1.2 <somebody@nosuch.example>... Host unknown (Name server: nosuch.example:"),
    (H, USER, "553 5.1.3", "553 5.1.3 <somebody@>... Hostname required"),
    (H, USER, "551 5.1.6", "551 5.1.6 Recipient has moved; please try <somebody@example.net>"),
    (H, DOMAIN, "556 5.1.10", "556 5.1.10 Recipient address has null MX"),
    (H, DOMAIN, "521", "521 mail.example.com does not accept mail"),
    (H, DOMAIN, "550 5.4.4", "550 5.4.4 Unable to route to domain. Giving up."),
    (S, DOWN, "451 4.4.4", "451 4.4.4 Temporary server error. Please try again later PRX5"),
    (S, DOWN, "421", "421 Service not available, closing transmission channel"),
    (S, DOWN, "421 4.3.2", "421 4.3.2 System not accepting network messages, try later"),
    (S, DOWN, "452 4.3.1", "452 4.3.1 Insufficient system storage"),
    (S, EXPIRED, "550 4.4.7", "550 4.4.7 QUEUE.Expired; message expired"),
    (M, LARGE, "552", "552 Message size exceeds fixed maximum message size"),
    (M, LARGE, "552 5.3.4", ""),
    (M, CONTENT, "550", "550 This message contains a virus (Eicar-Test-Signature)"),
    (M, CONTENT, "554 5.7.1", "554 5.7.1 This message has been scored as spam"),
    (M, CONTENT, "554 5.6.0", "554 5.6.0 Message contains invalid header"),
    (S, UTF8, "550 5.6.7", "550 5.6.7 SMTPUTF8 is required, but was not offered by host mx.example.com"),
    (S, UTF8, "553 5.6.7", ""),
    (B, AUTH, "535 5.7.8", "535 5.7.8 Error: authentication failed"),
    (B, SENDER, "550", "550 Sender verify failed"),
    (B, SENDER, "553 5.1.7", "553 5.1.7 The sender address is not valid"),
    (B, SENDER, "550", "550 Verification failed for sender news@example.org"),
    (B, AUTH, "550 5.7.23", "550 5.7.23 The message was rejected because of Sender Policy Framework violation"),
    (B, AUTH, "550 5.7.1", "550 5.7.1 DMARC policy violation"),
    # Gateways and hosting
    (H, USER, "550", "550 Invalid Recipient - https://community.mimecast.com/docs/DOC-1369#550 [abc.uk1]"),
    (B, REFUSED, "550", "550 Administrative prohibition - envelope blocked"),
    (S, GREY, "451", "451 Internal resources are temporarily unavailable - greylisted [abc.uk2]"),
    (B, REFUSED, "554", "554 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.1"),
    (H, USER, "550", "550 #5.1.0 Address rejected."),
    (B, REFUSED, "550 5.7.0", "550 5.7.0 Local Policy Violation"),
    (H, USER, "550", "550 permanent failure for one or more recipients (somebody@example.com:550 5.1.1 User"),
    (B, REFUSED, "550", "550 permanent failure for one or more recipients (somebody@example.com:blocked)"),
    (H, USER, "550 5.1.1", "550 5.1.1 Amazon SES: the recipient address is on no account"),
    (S, FULL, "452", "452 4.2.2 mailbox full"),
    # Europe
    (H, USER, "550 5.1.1", "550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR_416 [416]"),
    (H, USER, "550 5.5.0", "550 5.5.0 Adresse destinataire invalide. Invalid recipient. LPN007_416"),
    (S, DISABLED, "550 5.5.0", "550 5.5.0 Le compte du destinataire est bloque. The recipient account is blocked."),
    (S, FULL, "552 5.1.1", "552 5.1.1 Boite du destinataire pleine. Recipient overquota. OFR_417 [417]"),
    (B, REFUSED, "550", "550 mwinf5c04 ME Adresse IP source bloquee pour incident de spam. Client host blocked for"),
    (H, USER, "550", "550 Requested action not taken: mailbox unavailable For explanation visit"),
    (
        B,
        AUTH,
        "554",
        "554-gmx.net (mxgmx114) 554-No SMTP service 554-Bad DNS PTR resource record.",
    ),
    (H, USER, "550", "550 5.1.1 unbekannter Empfaenger"),
    (S, FULL, "552", "552 Postfach des Empfängers ist voll"),
    (H, USER, "550 5.1.1", "550 5.1.1 usuario desconocido"),
    (H, USER, "550", "550 El usuario no existe"),
    (H, USER, "550", "550 Utente sconosciuto"),
    (S, FULL, "552", "552 La casella del destinatario è piena"),
    (H, USER, "550", "550 Usuário desconhecido"),
    (H, USER, "550", "550 Użytkownik nie istnieje"),
    (H, USER, "550", "550 Gebruiker onbekend"),
    # Russia and Asia
    (H, USER, "550", "550 Message was not accepted -- invalid mailbox. Local mailbox somebody@mail.ru is"),
    (
        S,
        DISABLED,
        "550",
        "550 Message was not accepted -- invalid mailbox. It is unavailable: account is disabled",
    ),
    (M, CONTENT, "550", "550 spam message rejected. Please visit http://help.mail.ru/notspam-support/id?c=abc"),
    (B, REFUSED, "550 5.7.1", "550 5.7.1 No such user!"),
    (S, DISABLED, "550 5.7.1", "550 5.7.1 Policy rejection on the target address: mailbox is frozen"),
    (H, USER, "550", "550 Пользователь не найден"),
    (S, FULL, "552", "552 Ящик получателя переполнен"),
    (H, USER, "550", "550 Mailbox not found."),
    (B, RATE, "550", "550 Connection frequency limited."),
    (M, CONTENT, "550", "550 Mail content denied."),
    (H, USER, "550", "550 User not found: somebody@163.com"),
    (H, USER, "550", "550 用户不存在"),
    (S, FULL, "552", "552 收件人邮箱已满"),
    (H, USER, "550", "550 Unknown user somebody@docomo.ne.jp"),
    (H, USER, "550", "550 <somebody@ezweb.ne.jp>: User unknown"),
    (H, USER, "550", "550 Invalid recipient: <somebody@softbank.ne.jp>"),
    (H, USER, "550", "550 宛先のメールアドレスが見つかりませんでした"),
    # In either order of words, with accents and without
    (H, USER, "550", "550 Unbekannter Benutzer"),
    (H, USER, "550", "550 Der Empfaenger ist uns nicht bekannt"),
    (B, SENDER, "550", "550 Absenderadresse existiert nicht"),
    (S, FULL, "550", "550 Benutzer unbekannt oder Postfach voll"),
    (H, USER, "550", "550 L'adresse n'existe pas"),
    (H, DOMAIN, "550", "550 Domaine inconnu"),
    (B, SENDER, "550", "550 Expéditeur inconnu"),
    (H, USER, "550", "550 No existe el usuario"),
    (B, SENDER, "550", "550 Remitente no existe"),
    (S, DISABLED, "550", "550 Cuenta suspendida"),
    (H, USER, "550", "550 Endereco de email nao existe"),
    (H, USER, "550", "550 Onbekende gebruiker"),
    (H, USER, "550", "550 Nie ma takiego użytkownika"),
    (H, USER, "550", "550 Neznámý příjemce"),
    (H, USER, "550", "550 Ukendt modtager"),
    (H, USER, "550", "550 Tuntematon vastaanottaja"),
    (H, USER, "550", "550 Ismeretlen felhasználó"),
    (H, USER, "550", "550 Utilizator necunoscut"),
    (H, USER, "550", "550 Bilinmeyen kullanıcı"),
    (H, USER, "550", "550 Άγνωστος χρήστης"),
    (H, USER, "550", "550 Нет такого почтового ящика"),
    (B, SENDER, "550", "550 Адрес отправителя не существует"),
    (H, DOMAIN, "550", "550 Домен не существует"),
    (H, USER, "550", "550 メールアドレスは現在使われておりません"),
    (B, SENDER, "550", "550 送信者のアドレスが存在しません"),
    (H, USER, "550", "550 没有这个用户"),
    (B, SENDER, "550", "550 发件人不存在"),
    (H, USER, "550", "550 존재하지 않는 사용자입니다"),
    (H, USER, "550", "550 alamat tidak ditemukan"),
    (H, USER, "550", "550 المستخدم غير موجود"),
    (H, USER, "550", "550 המשתמש לא קיים"),
    # The same in other English words
    (H, USER, "550", "550 Sorry, that user is not on this server"),
    (H, USER, "550", "550 The recipient has retired and this mailbox has been removed"),
    (H, USER, "550", "550 This user no longer has an account here"),
    (H, USER, "551", "551 user not local; please try <somebody@example.net>"),
    (H, USER, "550", "550 local server don't exists that user"),
    (H, USER, "550 5.4.1", "550 5.4.1 All recipient addresses rejected : Access denied"),
    (
        H,
        USER,
        "550 5.1.351",
        "550 5.1.351 Remote server returned unknown recipient -> 550 <somebody@x.test>: User unknown",
    ),
    (H, DOMAIN, "550", "550 Domain example.com is no longer hosted here"),
    (H, DOMAIN, "553", "553 somebody@example.com... unresolvable domain"),
    # What sounds like it and isn't
    (B, REFUSED, "501", "501 Invalid HELO: unknown host"),
    (B, SENDER, "550", "550 return address does not exist"),
    (B, SENDER, "550", "550 rejecting sender domain: nxdomain"),
    (M, CONTENT, "550", "550 spam detected, user unknown"),
    (B, REFUSED, "550 5.1.1", "550 5.1.1 Recipient denied by filter"),
    (S, USER, "550", "550 Backend unavailable, mailbox cannot be found right now, try again later"),
    (S, USER, "550 5.2.1", "550 5.2.1 Mailbox not available"),
    (S, DISABLED, "550 5.1.1", "550 5.1.1 mailbox temporarily disabled"),
    (S, DISABLED, "553", "553 Recipient mailbox is not available due to its administrative status"),
    # Nothing said
    (S, UNCLEAR, "", ""),
    (S, UNCLEAR, "550", "550"),
    (S, UNCLEAR, "250", "250 OK"),
    (S, UNCLEAR, "garbage", "\ud800 \x00 )("),
]


@pytest.mark.parametrize(
    ("kind", "reason", "code", "text"), REPLIES, ids=[f"{n}-{r[2]}" for n, r in enumerate(REPLIES)]
)
def test_a_reply_has_its_verdict(kind: Kind, reason: str, code: str, text: str) -> None:
    assert verdicts.of_reply(code, text) == Verdict(kind, reason)


def test_every_reason_has_words() -> None:
    assert all(str(words) for words in verdicts.REASONS.values())
    assert {reason for _kind, reason, _code, _text in REPLIES} <= set(verdicts.REASONS)


TEXTS = sorted({row[3] for row in REPLIES})


@pytest.mark.parametrize("text", TEXTS)
def test_no_temporary_answer_is_hard(text: str) -> None:
    """The basic code says whether it is final, whatever the words and the enhanced code."""
    for code in ("450 4.1.1", "450 5.1.1", "421", "451 4.7.1"):
        assert verdicts.of_reply(code, text).kind is not Kind.HARD


@pytest.mark.parametrize("text", [text for text in TEXTS if refusal_words.of(text) is not Meaning.NO_MAIL_HERE])
def test_no_refusal_by_policy_is_hard(text: str) -> None:
    assert verdicts.of_reply("550 5.7.1", text).kind is not Kind.HARD


@pytest.mark.parametrize(
    ("stage", "text", "kind"),
    [
        (Stage.RECIPIENT, "550 User unknown", H),
        (Stage.UNKNOWN, "550 User unknown", S),
        (Stage.DATA, "550 User unknown", S),
        (Stage.DATA, "550 5.1.1 User unknown", H),
        (Stage.DATA, "550 No such user here", H),
        (Stage.UNKNOWN, "550 No such user here", H),
        (Stage.UNKNOWN, "No such user here", S),
        (Stage.UNKNOWN, "Unknown Recipient (000C05A6)", H),
        (Stage.UNKNOWN, "The domain does not exist", H),
        (Stage.UNKNOWN, "Host not found, try again", S),
        (Stage.SENDER, "550 5.1.1 No such user here", B),
        (Stage.SENDER, "550 5.1.2 domain not found", B),
        (Stage.CONNECTION, "550 5.1.1 unknown host", B),
        (Stage.CONNECTION, "521 this host does not accept mail", H),
        (Stage.DATA, "550 5.4.1 All recipient addresses rejected : Access denied", B),
    ],
)
def test_how_much_words_prove_depends_on_the_refused_step(stage: Stage, text: str, kind: Kind) -> None:
    assert verdicts.of_refusal(text[:3] if text[:1] == "5" else "", text, stage=stage).kind is kind


@pytest.mark.parametrize(
    "text",
    [
        "550 The mailbox may not exist",
        "550 Could not be delivered. Please check whether the user does not exist",
        "550 Das Postfach ist möglicherweise nicht vorhanden",
        "550 群组可能不存在",
    ],
)
def test_a_guess_condemns_nobody(text: str) -> None:
    assert verdicts.of_reply("550", text).kind is not Kind.HARD


def test_an_address_is_not_read_as_words() -> None:
    assert verdicts.of_reply("550", "550 <user-unknown.no-such-user@mailbox-full.example>: delivery failed") == Verdict(
        S, verdicts.UNDETERMINED
    )


@settings(max_examples=200)
@given(code=st.text(max_size=12) | st.sampled_from(["550", "550 5.1.1", "421 4.7.0"]), text=st.text(max_size=300))
def test_no_text_breaks_the_classification(code: str, text: str) -> None:
    verdict = verdicts.of_reply(code, text)
    assert verdict.reason in verdicts.REASONS


@pytest.mark.parametrize(
    "piece",
    [
        *("user ", "no such ", "mailbox ", "550 ", "a@", "5.1.1 ", "sender ", "exceed ", "quota ", ". "),
        # Words without an end.
        *("exceed", "adressen", "адресат", "konto", "max", "absender", "verif", "allow"),
    ],
)
def test_long_texts_take_no_time(piece: str) -> None:
    started = time.process_time()
    verdicts.of_reply("550", piece * 100_000)
    assert time.process_time() - started < 0.1


def test_the_precise_comes_before_the_general() -> None:
    assert refusal_words.of("User unknown or mailbox full") is Meaning.MAILBOX_FULL
    assert refusal_words.of("Sender address rejected: domain not found") is Meaning.SENDER
    assert refusal_words.of("Recipient address rejected: User unknown in relay recipient table") is not Meaning.RELAYING
    assert refusal_words.of("") is None
