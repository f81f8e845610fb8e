"""Which files may go with an email, by the end of their name, and what each is called in MIME.

Documents, pictures, sound, film, calendars, cards, passes and archives. Nothing that a computer runs when it is opened
(programs, scripts, pages, documents with macros), because readers can't see who put it there.
"""

_TEXT = {
    "csv": "csv", "ics": "calendar", "ical": "calendar", "log": "plain", "md": "markdown", "rtf": "rtf",
    "tsv": "tab-separated-values", "txt": "plain", "vcf": "vcard", "vcard": "vcard", "vcs": "x-vcalendar",
}  # fmt: skip
_IMAGE = {
    "avif": "avif", "bmp": "bmp", "gif": "gif", "heic": "heic", "heif": "heif", "jpe": "jpeg", "jpeg": "jpeg",
    "jpg": "jpeg", "png": "png", "psd": "vnd.adobe.photoshop", "tif": "tiff", "tiff": "tiff", "webp": "webp",
}  # fmt: skip
_AUDIO = {
    "aac": "aac", "aif": "aiff", "aifc": "aiff", "aiff": "aiff", "flac": "flac", "m4a": "mp4", "mid": "midi",
    "mp3": "mpeg", "oga": "ogg", "ogg": "ogg", "opus": "ogg", "wav": "wav", "wma": "x-ms-wma",
}  # fmt: skip
_VIDEO = {
    "avi": "x-msvideo", "m4v": "mp4", "mkv": "x-matroska", "mov": "quicktime", "mp4": "mp4", "mpeg": "mpeg",
    "mpg": "mpeg", "ogv": "ogg", "webm": "webm", "wmv": "x-ms-wmv",
}  # fmt: skip
_OFFICE = "vnd.openxmlformats-officedocument"
_OPEN = "vnd.oasis.opendocument"
_APPLICATION = {
    "7z": "x-7z-compressed", "ai": "postscript", "bz2": "x-bzip2", "cer": "pkix-cert", "crt": "x-x509-ca-cert",
    "doc": "msword", "docx": f"{_OFFICE}.wordprocessingml.document", "eps": "postscript", "epub": "epub+zip",
    "geojson": "geo+json", "gpx": "gpx+xml", "gz": "gzip", "json": "json", "key": "vnd.apple.keynote",
    "kml": "vnd.google-earth.kml+xml", "kmz": "vnd.google-earth.kmz", "numbers": "vnd.apple.numbers",
    "odp": f"{_OPEN}.presentation", "ods": f"{_OPEN}.spreadsheet", "odt": f"{_OPEN}.text", "p7s": "pkcs7-signature",
    "pages": "vnd.apple.pages", "pdf": "pdf", "pem": "x-pem-file", "pkpass": "vnd.apple.pkpass",
    "pkpasses": "vnd.apple.pkpasses", "pps": "vnd.ms-powerpoint", "ppsx": f"{_OFFICE}.presentationml.slideshow",
    "ppt": "vnd.ms-powerpoint", "pptx": f"{_OFFICE}.presentationml.presentation", "rar": "vnd.rar", "tar": "x-tar",
    "tgz": "gzip", "xls": "vnd.ms-excel", "xlsx": f"{_OFFICE}.spreadsheetml.sheet", "xml": "xml",
    "yaml": "yaml", "yml": "yaml", "zip": "zip",
}  # fmt: skip
# End of a name in lower case → type.
TYPES: dict[str, str] = {
    end: f"{family}/{name}"
    for family, ends in (
        ("text", _TEXT), ("image", _IMAGE), ("audio", _AUDIO), ("video", _VIDEO), ("application", _APPLICATION)
    )
    for end, name in ends.items()
}  # fmt: skip
_ENDS: dict[str, str] = {}
for _end in ("txt", "jpg", "tiff", "aiff", "mp3", "ogg", "mp4", "gz", "ics", "vcf", *TYPES):
    _ENDS.setdefault(TYPES[_end], _end)


def end_of(name: str) -> str:
    """The end of a file's name, such as "pdf"; "" without one."""
    stem, dot, end = name.rpartition(".")
    return end.lower() if dot and stem else ""


def end_for(content_type: str) -> str:
    """The usual end for a type; "" for one that may not be sent."""
    return _ENDS.get(content_type, "")
