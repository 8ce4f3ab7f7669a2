-- A real recording of Nsight Systems 2022.4.2.1, exported with `nsys export --type sqlite`:
--     nsys profile -t nvtx,osrt -s none --cpuctxsw=none python program.py
-- where the program runs, four times over,
--     with range("request"):
--         with range("decode"): burn(0.005)
--         with range("compute"): burn(0.03)
--         with range("lookup"): time.sleep(0.06)
-- Kept are the four tables that measure.profile.nsight reads, all of the ranges, and of the
-- operating-system calls those inside ranges and the longest outside. The schema is the tool's own.
BEGIN TRANSACTION;
CREATE TABLE EXPORT_META_DATA (
    -- information about nsys export process

    name                        TEXT      NOT NULL,                    -- Name of export meta-data record
    value                       TEXT                                   -- Value of export meta-data record
);
INSERT INTO "EXPORT_META_DATA" VALUES('EXPORT_PRODUCT_NAME','NVIDIA Nsight Systems');
INSERT INTO "EXPORT_META_DATA" VALUES('EXPORT_PRODUCT_VERSION','2022.4.2.1');
INSERT INTO "EXPORT_META_DATA" VALUES('EXPORT_PRODUCT_DATE','2022.4');
INSERT INTO "EXPORT_META_DATA" VALUES('EXPORT_SCHEMA_VERSION','3.0.0');
INSERT INTO "EXPORT_META_DATA" VALUES('EXPORT_SCHEMA_VERSION_MAJOR','3');
INSERT INTO "EXPORT_META_DATA" VALUES('EXPORT_SCHEMA_VERSION_MINOR','0');
INSERT INTO "EXPORT_META_DATA" VALUES('EXPORT_SCHEMA_VERSION_MICRO','0');
INSERT INTO "EXPORT_META_DATA" VALUES('EXPORT_SCHEMA_VERSION_CKSUM','4042420554 115894');
INSERT INTO "EXPORT_META_DATA" VALUES('EXPORT_PLATFORM','linux-desktop');
INSERT INTO "EXPORT_META_DATA" VALUES('EXPORT_ARCH','x64');
INSERT INTO "EXPORT_META_DATA" VALUES('EXPORT_TIME','0.04');
INSERT INTO "EXPORT_META_DATA" VALUES('EXPORT_TIME_UTC','2026-11-24T07:00:03');
INSERT INTO "EXPORT_META_DATA" VALUES('EXPORT_TIME_LOCAL','2026-11-24T07:00:03');
INSERT INTO "EXPORT_META_DATA" VALUES('EXPORT_OVERWRITE','false');
INSERT INTO "EXPORT_META_DATA" VALUES('EXPORT_LAZY','true');
CREATE TABLE NVTX_EVENTS (
    start                       INTEGER   NOT NULL,                    -- Event start timestamp (ns).
    end                         INTEGER,                               -- Event end timestamp (ns).
    eventType                   INTEGER   NOT NULL,                    -- REFERENCES ENUM_NSYS_EVENT_TYPE(id)
    rangeId                     INTEGER,                               -- Correlation ID returned from a nvtxRangeStart call.
    category                    INTEGER,                               -- User-controlled ID that can be used to group events.
    color                       INTEGER,                               -- Encoded ARGB color value.
    text                        TEXT,                                  -- Optional text message for non registered strings.
    globalTid                   INTEGER,                               -- Serialized GlobalId.
    endGlobalTid                INTEGER,                               -- Serialized GlobalId.
    textId                      INTEGER,                               -- REFERENCES StringIds(id) -- Registered NVTX domain
    domainId                    INTEGER,                               -- User-controlled ID that can be used to group events.
    uint64Value                 INTEGER,                               -- One of possible payload value union members.
    int64Value                  INTEGER,                               -- One of possible payload value union members.
    doubleValue                 REAL,                                  -- One of possible payload value union members.
    uint32Value                 INTEGER,                               -- One of possible payload value union members.
    int32Value                  INTEGER,                               -- One of possible payload value union members.
    floatValue                  REAL,                                  -- One of possible payload value union members.
    jsonTextId                  INTEGER,                               -- One of possible payload value union members.
    jsonText                    TEXT                                   -- One of possible payload value union members.
);
INSERT INTO "NVTX_EVENTS" VALUES(1357076725,1452360514,59,NULL,NULL,NULL,'request',281798038801208,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "NVTX_EVENTS" VALUES(1357081013,1362092082,59,NULL,NULL,NULL,'decode',281798038801208,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "NVTX_EVENTS" VALUES(1362101994,1392105712,59,NULL,NULL,NULL,'compute',281798038801208,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "NVTX_EVENTS" VALUES(1392113972,1452342207,59,NULL,NULL,NULL,'lookup',281798038801208,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "NVTX_EVENTS" VALUES(1452384662,1547687920,59,NULL,NULL,NULL,'request',281798038801208,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "NVTX_EVENTS" VALUES(1452390204,1457405179,59,NULL,NULL,NULL,'decode',281798038801208,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "NVTX_EVENTS" VALUES(1457428860,1487433603,59,NULL,NULL,NULL,'compute',281798038801208,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "NVTX_EVENTS" VALUES(1487443303,1547656878,59,NULL,NULL,NULL,'lookup',281798038801208,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "NVTX_EVENTS" VALUES(1547723066,1642908296,59,NULL,NULL,NULL,'request',281798038801208,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "NVTX_EVENTS" VALUES(1547742604,1552749117,59,NULL,NULL,NULL,'decode',281798038801208,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "NVTX_EVENTS" VALUES(1552754059,1582757059,59,NULL,NULL,NULL,'compute',281798038801208,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "NVTX_EVENTS" VALUES(1582763156,1642900774,59,NULL,NULL,NULL,'lookup',281798038801208,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "NVTX_EVENTS" VALUES(1642916556,1738203708,59,NULL,NULL,NULL,'request',281798038801208,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "NVTX_EVENTS" VALUES(1642920660,1647924037,59,NULL,NULL,NULL,'decode',281798038801208,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "NVTX_EVENTS" VALUES(1647928859,1677933136,59,NULL,NULL,NULL,'compute',281798038801208,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "NVTX_EVENTS" VALUES(1677939436,1738168446,59,NULL,NULL,NULL,'lookup',281798038801208,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE OSRT_API (
    -- OS runtime libraries traced to gather information about low-level userspace APIs.

    start                       INTEGER   NOT NULL,                    -- Event start timestamp (ns).
    end                         INTEGER   NOT NULL,                    -- Event end timestamp (ns).
    eventClass                  INTEGER   NOT NULL,                    -- REFERENCES ENUM_NSYS_EVENT_CLASS(id)
    globalTid                   INTEGER,                               -- Serialized GlobalId.
    nameId                      INTEGER   NOT NULL,                    -- REFERENCES StringIds(id) -- Function name
    returnValue                 INTEGER   NOT NULL,                    -- Return value of the function call.
    nestingLevel                INTEGER,                               -- Zero-base index of the nesting level.
    callchainId                 INTEGER   NOT NULL                     -- REFERENCES OSRT_CALLCHAINS(id)
);
INSERT INTO "OSRT_API" VALUES(372078540,372440236,27,281798038801208,138,0,0,12);
INSERT INTO "OSRT_API" VALUES(473652268,474584065,27,281798038801208,138,0,0,53);
INSERT INTO "OSRT_API" VALUES(562571680,563144480,27,281798038801208,138,0,0,68);
INSERT INTO "OSRT_API" VALUES(647966386,648474730,27,281798038801208,138,0,0,114);
INSERT INTO "OSRT_API" VALUES(1018109504,1018548136,27,281798038801208,138,0,0,338);
INSERT INTO "OSRT_API" VALUES(1159396466,1159882418,27,281798038801208,138,0,0,342);
INSERT INTO "OSRT_API" VALUES(1392124018,1452294005,27,281798038801208,210,0,0,377);
INSERT INTO "OSRT_API" VALUES(1487447603,1487448807,27,281798038801208,163,0,0,0);
INSERT INTO "OSRT_API" VALUES(1487450370,1547561815,27,281798038801208,210,0,0,378);
INSERT INTO "OSRT_API" VALUES(1582767329,1642871829,27,281798038801208,210,0,0,379);
INSERT INTO "OSRT_API" VALUES(1677942894,1738076399,27,281798038801208,210,0,0,380);
INSERT INTO "OSRT_API" VALUES(1744276681,1744279267,27,281798038801208,214,0,0,0);
INSERT INTO "OSRT_API" VALUES(1924825390,1924835036,27,281798038801208,195,0,0,0);
INSERT INTO "OSRT_API" VALUES(2001067021,2001068340,27,281798038801208,215,0,0,0);
CREATE TABLE StringIds (
    -- Consolidation of repetitive string values.

    id                          INTEGER   NOT NULL   PRIMARY KEY,      -- ID reference value.
    value                       TEXT      NOT NULL                     -- String value.
);
INSERT INTO "StringIds" VALUES(0,'[Unknown]');
INSERT INTO "StringIds" VALUES(138,'read');
INSERT INTO "StringIds" VALUES(163,'pthread_cond_signal');
INSERT INTO "StringIds" VALUES(195,'munmap');
INSERT INTO "StringIds" VALUES(210,'clock_nanosleep');
INSERT INTO "StringIds" VALUES(214,'sigaction');
INSERT INTO "StringIds" VALUES(215,'fflush');
COMMIT;
