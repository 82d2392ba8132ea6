//! Scripts that must be stopped, in bounded time, with the process alive.
