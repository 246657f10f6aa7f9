// The one error that a user is meant to read: a sentence, whatever it was put together from, as UserError in Python.

export class UserError extends Error {
  constructor(message) {
    const text = message.charAt(0).toUpperCase() + message.slice(1);
    super(/[.!?]$/.test(text) ? text : `${text}.`);
    this.name = "Error";
    this.clause = message; // as it was given, to be part of another sentence
  }
}
