/* The browser's time zone in a cookie: the server writes all times, also for people who chose no zone of their own. */

const zone = `time_zone=${encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone)}`;
const known = document.cookie.split("; ");
const only = location.protocol === "https:" ? "; secure" : "";

if (!known.includes(zone)) document.cookie = `${zone}; path=/; max-age=31536000; samesite=lax${only}`;
