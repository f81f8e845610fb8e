/* The preview of a published version: another person, another view; nothing is typed here. */

import { Preview } from "./preview.js";

new Preview(document.getElementById("preview"), () => new Map()).render();
