//! Where sessions and partitions meet: routing, holding until durable, mail between cores.
