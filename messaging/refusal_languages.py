"""What refusals say in other languages than English. Tables only, for refusal_phrases.

Each language says the same few things of the same few things, in either order: "Benutzer unbekannt", "unbekannter
Benutzer". So only its words are listed, without accents, as the text is read without them (refusal_words.folded).
"""

from collections.abc import Iterator
from typing import NamedTuple


class Language(NamedTuple):
    """Alternatives of a regular expression; "" where the language's word isn't known."""

    # The one that is written to: user, recipient, mailbox, address, account.
    recipient: str
    # What is said of one that there isn't.
    missing: str
    sender: str = ""
    domain: str = ""
    # Mailbox and account, which can be full, closed or deleted, and what is said then.
    box: str = ""
    full: str = ""
    closed: str = ""
    gone: str = ""


_SLAVIC_BOX = r"ящик|аккаунт|уч[её]тн\w+ запис"

LANGUAGES: dict[str, Language] = {
    "German": Language(
        recipient=r"empfae?nger|benutzer|nutzer|postfach|adresse|konto|teilnehmer|kennung|mailbox",
        missing=r"unbekannt|existiert nicht|nicht gefunden|nicht vorhanden|nicht ermittelt|ungue?ltig|nicht bekannt"
        r"|gibt es nicht|existiert auf|nicht registriert|kein(?:e[nr]?)? (?:solche|gue?ltige|bekannte)",
        sender="absender",
        domain=r"domae?ne?",
        box="postfach|speicherplatz|speicherlimit|kontingent|konto",
        full=r"voll\b|ueberfue?llt|uberfullt|ue?berschritten|erschoe?pft",
        closed="gesperrt|deaktiviert|inaktiv|geschlossen|stillgelegt",
        gone="geloe?scht|entfernt",
    ),
    "French": Language(
        recipient=r"destinataire|utilisateur|boite|compte|adresse(?! ip)|usager|correspondant|abonne",
        missing=r"inconnu|invalide|inexistant|introuvable|n.existe|n.a pas ete trouv|n.est pas valide",
        sender=r"expediteur|emetteur",
        domain="domaine",
        box=r"boite|compte|quota|messagerie",
        full=r"pleine?\b|sature|depasse|atteint|plein\b",
        closed=r"bloqu|desactiv|suspend|ferme|inacti",
        gone="supprim",
    ),
    "Spanish": Language(
        recipient=r"usuario|destinatario|buzon|direccion|cuenta|casilla",
        missing=r"desconocid|no existe|inexistente|no (?:fue |ha sido |pudo ser )?encontrad|no (?:es )?valid|invalid"
        r"|no se (?:ha |pudo )?encont|no (?:esta )?registrad",
        sender="remitente",
        domain="dominio",
        box=r"buzon|cuenta|cuota|casilla",
        full=r"llen[oa]|excedid|superad|completo|sin espacio",
        closed="deshabilitad|desactivad|suspendid|bloquead|inactiv|cancelad",
        gone="eliminad|borrad",
    ),
    "Italian": Language(
        recipient=r"utente|destinatario|casella|indirizzo|\baccount|mailbox",
        missing=r"sconosciut|inesistente|non esiste|non (?:e )?(?:stat[oa] )?trovat|non (?:e )?valid|non presente",
        sender="mittente",
        domain="dominio",
        box=r"casella|quota|\baccount",
        full="pien[ao]|superat|esaurit",
        closed="disattivat|sospes|disabilitat|bloccat|chius",
        gone="eliminat|cancellat|rimoss",
    ),
    "Portuguese": Language(
        recipient=r"usuario|utilizador|destinatario|\bcaixa|\bconta\b|endereco",
        missing=r"desconhecid|nao existe|inexistente|nao (?:foi )?(?:encontrad|localizad)|invalid|nao (?:e )?valid",
        sender="remetente",
        domain=r"dominio",
        box=r"\bcaixa|\bconta\b|\bcota\b|espaco",
        full="chei[ao]|lotad|excedid|esgotad",
        closed="desativad|suspens|bloquead|inativ|cancelad",
        gone="excluid|removid",
    ),
    "Dutch": Language(
        recipient=r"gebruiker|ontvanger|postbus|postvak|\badres|\baccount|mailbox",
        missing="onbekend|bestaat niet|niet gevonden|ongeldig|niet bekend",
        sender="afzender",
        domain="domein",
        box=r"postbus|postvak|mailbox|\baccount",
        full=r"\bvol\b|overschreden",
        closed="uitgeschakeld|geblokkeerd|gedeactiveerd|opgeheven",
        gone="verwijderd",
    ),
    "Polish": Language(
        recipient=r"uzytkownik|odbiorc|adresat|skrzynk|\bkonto|\badres\b",
        missing="nie istniej|nieznan|nie znalezion|nie ma tak|niepoprawn",
        sender="nadawc",
        domain="domen",
        box=r"skrzynk|\bkonto",
        full="pełn|przepełnion|przekroczon",
        closed="zablokowan|nieaktywn|wyłaczon|zawieszon",
        gone="usuniet",
    ),
    "Czech": Language(
        recipient=r"uzivatel|prijemce|adresa|schranka|ucet\b|pouzivatel|prijemca",
        missing="neexistuj|neznam|nenalezen|nenajden",
        sender=r"odesilatel|odosielate",
        domain="domen",
        box=r"schranka|ucet\b",
        full=r"pln[aay]\b|prekrocen|zaplnen",
        closed="zablokov|zrusen|neaktivn",
    ),
    "Scandinavian": Language(
        recipient=r"anvandar|mottagar|bruger|modtager|bruker|mottaker|adressen|postkass|kontoen|kontot",
        missing=r"okand|finns (?:inte|ej)|ukendt|findes ikke|ukjent|finnes ikke|eksisterer ikke|existerar inte"
        r"|hittades inte|ikke fundet|ikke funnet|ogiltig|ugyldig",
        sender=r"avsandar|avsender|afsender",
        domain=r"domanen|domene|dom[æa]ne",
        box=r"brevlada|postkass|mailboks|inkorg|indbakke|konto",
        full=r"\bfull\b|\bfuld\b|\bfyldt|overskr[ei]",
        closed=r"sparr|lukket|stengt|avstangd|deaktiver",
    ),
    "Finnish": Language(
        recipient=r"vastaanottaj|kayttaj|postilaatik|osoit|\btili",
        missing=r"tuntematon|tuntemat|ei ole olemassa|ei loy[dt]|olematon",
        sender=r"lahettaj",
        box="postilaati",
        full=r"taynn",
        closed="suljettu|lukittu",
    ),
    "Hungarian": Language(
        recipient=r"felhasznal|cimzett|postafiok|fiok\b",
        missing=r"ismeretlen|nem letezik|nem talalhat|ervenytelen",
        sender=r"felado",
        box=r"postafiok",
        full="megtelt|betelt",
        closed=r"letilt|felfuggeszt|zarolva",
    ),
    "Romanian": Language(
        recipient=r"utilizator|destinatar\b|casuta|adresa",
        missing=r"necunoscut|nu exist|inexistent|nu a fost gasit",
        sender="expeditor",
        box=r"casuta",
        full=r"plina",
        closed="suspendat|dezactivat|blocat",
    ),
    "Turkish": Language(
        recipient=r"kullan[ıi]c[ıi]|al[ıi]c[ıi]\b|\bhesap|\badres\b|posta kutusu",
        missing=r"bulunamad|mevcut degil|gecersiz|bilinmeyen|boyle bir",
        sender=r"gonderen",
        box=r"posta kutusu|\bkota",
        full=r"dolu\b|as[ıi]l",
        closed=r"ask[ıi]ya|devre d[ıi]s|engellen",
    ),
    "Greek": Language(
        recipient="χρηστη|παραληπτη|λογαριασμο|διευθυνση|γραμματοκιβωτιο",
        missing="αγνωστ|δεν υπαρχει|δεν βρεθηκε",
        sender="αποστολε",
    ),
    "Russian": Language(
        recipient=rf"пользовател|получател|адресат|адрес|{_SLAVIC_BOX}",
        missing=r"не существу|несуществ|не найден|неизвест|не зарегистрирован|отсутствует|не обнаружен"
        r"|нет (?:такого|такой)|(?:такого|такой)[^.;]{0,20} (?:нет|не)\b",
        sender="отправител",
        domain="домен",
        box=_SLAVIC_BOX + "|квот|лимит|размер",
        full="переполнен|превыш|заполнен",
        closed="заблокирован|отключен|неактив|приостановлен",
        gone="удал[её]н",
    ),
    "Ukrainian": Language(
        recipient="користувач|одержувач|отримувач|адресат|скриньк|адрес",
        missing="не існу|неіснуюч|не знайден|невідом|відсутн",
        sender="відправник",
        domain="домен",
        box="скриньк",
        full="переповнен|заповнен",
        closed="заблокован|вимкнен|призупинен",
    ),
    "Japanese": Language(
        recipient=r"宛先|あて先|送信先|ユーザ|(?<!送信元)(?<!送信者)アドレス|アカウント|受信者|受取人|メールボックス",
        missing=r"存在し(?:ません|ない|なかった)|(?:見|み)つかりま|不明|ございません|(?:いま|おりま|ありま)せん|間違"
        r"|誤り|登録されてい?おりま|使われて(?:いません|おりません)|登録されていま",
        sender="送信者|差出人|送信元|発信者",
        domain="ドメイン|ホスト名",
        box="メールボックス|受信箱|アカウント|容量",
        full="一杯|いっぱい|満杯|容量|超過|オーバー|不足",
        closed="停止|無効|凍結",
        gone="削除|退会",
    ),
    "Chinese": Language(
        recipient=r"用户|收件人|邮箱|邮件地址|收件地址|帐户|账户|账号|用戶|收件者|信箱|帳號|使用者|郵箱",
        missing=r"不存在|未找到|找不到|无效|無效|没有找到|无此|沒有此|没有此|无该|没有这个|沒有這個|查无|有误|未开通|未注册|注销",
        sender="发件人|發件人|寄件者|寄件人|发信人",
        domain="域名|网域|網域",
        box="邮箱|信箱|收件箱|郵箱|空间|容量|配额|账号|帐户|帳號",
        full="已满|已滿|不足|超出|满了",
        closed="停用|禁用|冻结|锁定|被封",
        gone="注销|删除|註銷|刪除",
    ),
    "Korean": Language(
        recipient="사용자|수신자|수신인|계정|주소|회원",
        missing="존재하지 ?않|찾을 ?수 ?없|없습니다|없는|알 ?수 ?없",
        sender="발신자|보낸 ?사람|발송자",
        domain="도메인",
        box="메일함|편지함|사서함|계정",
        full="가득|초과|꽉",
        closed="정지|휴면|비활성",
        gone="삭제|탈퇴",
    ),
    "Indonesian": Language(
        recipient="pengguna|penerima|alamat|akun",
        missing="tidak (?:di)?temukan|tidak ada|tidak dikenal|tidak terdaftar",
    ),
    "Vietnamese": Language(
        recipient="nguoi dung|nguoi nhan|tai khoan|[dđ]ia chi", missing="khong ton tai|khong tim thay"
    ),
    "Arabic": Language(recipient="مستخدم|المستلم|العنوان|الحساب", missing="غير موجود|غير معروف|لا يوجد"),
    "Hebrew": Language(recipient="משתמש|נמען|כתובת|תיבה", missing="לא קיים|לא נמצא|לא ידוע"),
}


def saying(thing: str, said: str) -> tuple[str, ...]:
    """The phrases in which a language says something: the names of two fields of Language. The thing comes first or
    last, in one sentence.
    """
    return tuple(_phrases(thing, said))


def _phrases(thing: str, said: str) -> Iterator[str]:
    for language in LANGUAGES.values():
        one, other = getattr(language, thing), getattr(language, said)
        if one and other:
            yield rf"(?:{one})[^.;。]{{0,40}}(?:{other})|(?:{other})[^.;。]{{0,15}}(?:{one})"
