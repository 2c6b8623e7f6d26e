//! The async shell: listeners, connections, cores, HTTP and metrics.
