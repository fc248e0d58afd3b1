//! Which requests the proxy understands, up to which version: those whose replies name no broker, and those where it
//! knows where they do. Everything else is refused, and clients are told beforehand that the cluster does not speak it.

/// The APIs of clients by their numbers, and the latest version of each whose replies are known. What brokers only say to
/// each other is not among them, nor are share groups, whose replies name brokers.
const KNOWN: [(i16, i16, &str); 56] = [
    (PRODUCE, 13, "Produce"),
    // From 16 on a reply names brokers behind all the records that it carries.
    (1, 15, "Fetch"),
    (2, 11, "ListOffsets"),
    (METADATA, 13, "Metadata"),
    (8, 10, "OffsetCommit"),
    (9, 10, "OffsetFetch"),
    (FIND_COORDINATOR, 6, "FindCoordinator"),
    (11, 9, "JoinGroup"),
    (12, 4, "Heartbeat"),
    (13, 5, "LeaveGroup"),
    (14, 5, "SyncGroup"),
    (15, 6, "DescribeGroups"),
    (16, 5, "ListGroups"),
    // Version 0 is followed by what is no request any more.
    (SASL_HANDSHAKE, 1, "SaslHandshake"),
    (API_VERSIONS, 4, "ApiVersions"),
    (19, 7, "CreateTopics"),
    (20, 6, "DeleteTopics"),
    (21, 2, "DeleteRecords"),
    (22, 6, "InitProducerId"),
    (23, 4, "OffsetForLeaderEpoch"),
    (24, 5, "AddPartitionsToTxn"),
    (25, 4, "AddOffsetsToTxn"),
    (26, 5, "EndTxn"),
    (28, 5, "TxnOffsetCommit"),
    (29, 3, "DescribeAcls"),
    (30, 3, "CreateAcls"),
    (31, 3, "DeleteAcls"),
    (32, 4, "DescribeConfigs"),
    (33, 2, "AlterConfigs"),
    (34, 2, "AlterReplicaLogDirs"),
    (35, 4, "DescribeLogDirs"),
    (36, 2, "SaslAuthenticate"),
    (37, 3, "CreatePartitions"),
    (38, 3, "CreateDelegationToken"),
    (39, 2, "RenewDelegationToken"),
    (40, 2, "ExpireDelegationToken"),
    (41, 3, "DescribeDelegationToken"),
    (42, 2, "DeleteGroups"),
    (43, 2, "ElectLeaders"),
    (44, 1, "IncrementalAlterConfigs"),
    (45, 1, "AlterPartitionReassignments"),
    (46, 0, "ListPartitionReassignments"),
    (47, 0, "OffsetDelete"),
    (48, 1, "DescribeClientQuotas"),
    (49, 1, "AlterClientQuotas"),
    (50, 0, "DescribeUserScramCredentials"),
    (51, 0, "AlterUserScramCredentials"),
    (57, 2, "UpdateFeatures"),
    (DESCRIBE_CLUSTER, 2, "DescribeCluster"),
    (61, 0, "DescribeProducers"),
    (65, 0, "DescribeTransactions"),
    (66, 2, "ListTransactions"),
    (68, 1, "ConsumerGroupHeartbeat"),
    (69, 1, "ConsumerGroupDescribe"),
    (71, 0, "GetTelemetrySubscriptions"),
    (72, 0, "PushTelemetry"),
];

/// The number of Produce.
pub const PRODUCE: i16 = 0;
/// The number of Metadata.
pub const METADATA: i16 = 3;
/// The number of FindCoordinator.
pub const FIND_COORDINATOR: i16 = 10;
/// The number of SaslHandshake.
pub const SASL_HANDSHAKE: i16 = 17;
/// The number of ApiVersions.
pub const API_VERSIONS: i16 = 18;
/// The number of DescribeCluster.
pub const DESCRIBE_CLUSTER: i16 = 60;

/// The latest version of an API that is understood; nothing where the API is not.
pub fn latest(key: i16) -> Option<i16> {
    KNOWN.iter().find(|(known, ..)| *known == key).map(|(_, latest, _)| *latest)
}

/// The earliest version of an API that is understood.
pub fn earliest(key: i16) -> i16 {
    i16::from(key == SASL_HANDSHAKE)
}

/// Whether a request is understood. The error says why it is not.
pub fn admit(key: i16, version: i16) -> Result<(), String> {
    match KNOWN.iter().find(|(known, ..)| *known == key) {
        Some((_, latest, _)) if (earliest(key)..=*latest).contains(&version) => Ok(()),
        Some((_, latest, name)) => Err(format!(
            "{name} in version {version} is not understood by the proxy, which knows versions {} to {latest}: let the client ask for ApiVersions first",
            earliest(key)
        )),
        None => Err(format!("a request of API {key} is not understood by the proxy, and so not passed on")),
    }
}

/// Whether replies to a request are looked into: they name brokers, or say what the cluster understands.
pub fn is_read(key: i16, version: i16) -> bool {
    match key {
        PRODUCE => version >= 10,
        METADATA | FIND_COORDINATOR | API_VERSIONS | DESCRIBE_CLUSTER => true,
        _ => false,
    }
}

/// Whether lengths are variable in what a reply says.
pub fn is_flexible(key: i16, version: i16) -> bool {
    match key {
        PRODUCE | METADATA => version >= 9,
        FIND_COORDINATOR | API_VERSIONS => version >= 3,
        DESCRIBE_CLUSTER => true,
        _ => false,
    }
}
