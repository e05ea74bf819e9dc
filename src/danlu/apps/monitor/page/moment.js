// Times as they are written in the language of the page.
import { language } from "./words.js";

const form = { dateStyle: "short", timeStyle: "short" };

/** A time in seconds since 1970. */
export const moment = (seconds) => new Date(seconds * 1000).toLocaleString(language(), form);
