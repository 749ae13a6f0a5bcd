// swift-tools-version: 6.2
import PackageDescription

/// Settings of every Swift target: language mode 6 comes from the tools version below.
let strict: [SwiftSetting] = [
  .strictMemorySafety(),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

/// A library target of the package; `dependencies` are other targets of it unless they are products.
func library(
  _ name: String, _ dependencies: [Target.Dependency], _ more: [SwiftSetting] = []
) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict + more)
}

/// Lets a property give out a span that borrows its owner; used where unsafe code is fenced in.
let lifetimes = SwiftSetting.enableExperimentalFeature("Lifetimes")

/// A test target that mirrors a target, or a group of them.
func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = [])
  -> Target
{
  .testTarget(
    name: name, dependencies: dependencies + ["StrataTestSupport"], resources: resources,
    swiftSettings: strict)
}

let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")

let httpClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")

let package = Package(
  name: "strata",
  products: [
    .executable(name: "strata", targets: ["strata"]),
    .executable(name: "strata-overlay", targets: ["strata-overlay"]),
    .executable(name: "strata-lazy", targets: ["strata-lazy"]),
    // For programs of others: a store, and images in and out of it.
    .library(
      name: "StrataStore", targets: ["StrataSetup", "StrataStore", "StrataModel", "StrataSystem"]),
    .library(name: "StrataImage", targets: ["StrataImage"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.90.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.34.0"),
  ],
  targets: [
    // C and system libraries
    .target(name: "CStrata"),
    .systemLibrary(name: "CFUSE3", pkgConfig: "fuse3", providers: [.apt(["libfuse3-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CLZMA", pkgConfig: "liblzma", providers: [.apt(["liblzma-dev"])]),
    .systemLibrary(name: "CBZip2", providers: [.apt(["libbz2-dev"])]),

    // Values, system calls, formats
    library("StrataSystem", ["CStrata"], [lifetimes]),
    library("StrataModel", []),
    library("StrataJSON", ["StrataModel"]),
    library("StrataDigest", ["StrataSystem", "StrataModel", crypto]),
    library(
      "StrataCompression",
      ["StrataSystem", "StrataModel", "CZlib", "CISAL", "CZstd", "CLZMA", "CBZip2"]),
    library(
      "StrataArchive",
      ["StrataSystem", "StrataModel", "StrataJSON", "StrataDigest", "StrataCompression"]),
    library("StrataPersistence", ["StrataSystem", "StrataModel", "StrataJSON"]),

    // The overlay
    library("StrataFUSE", ["StrataSystem", "CStrata", "CFUSE3"]),
    library("StrataOverlay", ["StrataFUSE", "StrataSystem"]),

    // Lazy layers; no network: what speaks HTTP conforms to `LayerSource` elsewhere
    library(
      "StrataLazy",
      [
        "StrataFUSE", "StrataArchive", "StrataPersistence", "StrataCompression", "StrataDigest",
        "StrataConfig", "StrataJSON", "StrataModel", "StrataSystem",
      ]),

    // The store
    library(
      "StrataDrivers", ["StrataArchive", "StrataPersistence", "StrataSystem", "StrataModel"]),
    library(
      "StrataStore",
      [
        "StrataDrivers", "StrataArchive", "StrataPersistence", "StrataCompression", "StrataDigest",
        "StrataJSON", "StrataModel", "StrataSystem",
      ]),
    library(
      "StrataImage",
      [
        "StrataStore", "StrataArchive", "StrataCompression", "StrataDigest", "StrataJSON",
        "StrataModel", "StrataSystem",
      ]),
    library(
      "StrataConfig",
      [
        "StrataModel", "StrataSystem", "StrataJSON",
        .product(name: "TOMLKit", package: "TOMLKit"),
      ]),
    library("StrataSetup", ["StrataConfig", "StrataStore", "StrataModel", "StrataSystem"]),
    library(
      "StrataCommands",
      [
        "StrataSetup", "StrataImage", "StrataStore", "StrataConfig", "StrataDrivers",
        "StrataArchive",
        "StrataCompression", "StrataDigest", "StrataPersistence", "StrataJSON", "StrataModel",
        "StrataSystem", argumentParser,
      ]),

    library("StrataDistribution", ["StrataJSON", "StrataModel"]),

    // The network: only strata-lazy is linked with it
    library(
      "StrataRegistry",
      [
        "StrataConfig", "StrataDistribution", "StrataDigest", "StrataModel", "StrataSystem",
        httpClient, nioCore, nioHTTP, nioPosix, nioSSL,
      ]),
    library(
      "StrataTransfer",
      [
        "StrataRegistry", "StrataLazy", "StrataDistribution", "StrataCommands", "StrataImage",
        "StrataStore",
        "StrataConfig", "StrataDigest", "StrataJSON", "StrataModel", "StrataSystem",
      ]),

    // Executables
    .executableTarget(name: "strata", dependencies: ["StrataCommands"], swiftSettings: strict),
    .executableTarget(
      name: "strata-overlay", dependencies: ["StrataOverlay", "StrataFUSE", "StrataSystem"],
      swiftSettings: strict + [
        .unsafeFlags(["-disable-implicit-string-processing-module-import"])
      ]),

    .executableTarget(
      name: "strata-lazy", dependencies: ["StrataTransfer", "StrataCommands", "StrataSystem"],
      swiftSettings: strict),

    // What a program of somebody else's looks like.
    .executableTarget(
      name: "FourSteps",
      dependencies: ["StrataSetup", "StrataImage", "StrataStore", "StrataModel"],
      path: "Examples/FourSteps", swiftSettings: strict),

    // Tests
    .executableTarget(
      name: "RecordTurns",
      dependencies: [
        "StrataStore", "StrataPersistence", "StrataJSON", "StrataModel", "StrataSystem",
      ],
      path: "Tests/Programs/RecordTurns", swiftSettings: strict),
    // What scripts/fuzz links with libFuzzer.
    .target(
      name: "FuzzReaders",
      dependencies: [
        "StrataLazy", "StrataArchive", "StrataCompression", "StrataDigest", "StrataJSON",
        "StrataModel", "StrataSystem",
      ],
      path: "Tests/Fuzz", exclude: ["Corpus"], swiftSettings: strict),
    library("StrataTestSupport", ["StrataSystem", "StrataModel"]),
    tests("StrataSystemTests", ["StrataSystem"]),
    tests("StrataModelTests", ["StrataModel"]),
    tests("StrataJSONTests", ["StrataJSON", "StrataModel"]),
    tests("StrataDistributionTests", ["StrataDistribution", "StrataModel"]),
    tests("StrataDigestTests", ["StrataDigest", "StrataSystem", "StrataModel"]),
    tests("StrataCompressionTests", ["StrataCompression", "StrataSystem", "StrataModel"]),
    tests(
      "StrataArchiveTests",
      [
        "StrataArchive", "StrataCompression", "StrataDigest", "StrataJSON", "StrataModel",
        "StrataSystem",
      ]),
    tests(
      "StrataPersistenceTests", ["StrataPersistence", "StrataJSON", "StrataModel", "StrataSystem"]),
    tests("StrataFUSETests", ["StrataFUSE", "StrataSystem"]),
    tests("StrataOverlayTests", ["StrataOverlay", "StrataFUSE", "StrataSystem"]),
    tests(
      "StrataLazyTests",
      [
        "StrataLazy", "StrataFUSE", "StrataArchive", "StrataCompression", "StrataDigest",
        "StrataJSON", "StrataModel", "StrataSystem",
      ]),
    tests("StrataConfigTests", ["StrataConfig", "StrataModel", "StrataSystem"]),
    tests(
      "StrataStoreTests",
      [
        "StrataStore", "StrataDrivers", "StrataArchive", "StrataPersistence", "StrataCompression",
        "StrataDigest", "StrataJSON", "StrataModel", "StrataSystem", "RecordTurns",
      ]),
    tests(
      "StrataImageTests",
      [
        "StrataImage", "StrataStore", "StrataDrivers", "StrataArchive", "StrataCompression",
        "StrataDigest", "StrataJSON", "StrataModel", "StrataSystem",
      ]),
    tests("StrataSetupTests", ["FourSteps", "StrataSystem"]),
    tests(
      "StrataCommandsTests",
      ["StrataCommands", "StrataConfig", "StrataStore", "StrataModel", "StrataSystem"]),
    tests("ArchitectureTests", ["StrataSystem"]),
    tests("InteropTests", ["StrataSystem", "StrataModel"]),
  ],
  swiftLanguageModes: [.v6]
)

// `STRATA_DOCC=1 swift package generate-documentation --target StrataStore`: nobody else needs the plugin.
if Context.environment["STRATA_DOCC"] != nil {
  package.dependencies.append(
    .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"))
}
